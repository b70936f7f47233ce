import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { addRegion, inviteRegion, type JoinTools } from '@featuremesh/cli/region/join-regions';
import { addPeer, movePorts, withStore } from '@featuremesh/cli/region/region-document';
import { PORTS_PER_REGION, type RegionPlan, scaffoldRegion } from '@featuremesh/cli/region/region-scaffold';
import type { RegionConfig, RegionConfigInput } from '@featuremesh/contracts/region-config';
import type { Officer } from '@featuremesh/domain/policy';
import { writeFileAtomic } from '@featuremesh/runtime/atomic-file';
import { loadRegionConfig } from '@featuremesh/runtime/config-loader';
import { DEFAULT_MESH_PORT_BASE } from './options.ts';
import type { LocalRegion } from './region-names.ts';
import { reachedAt, wanConfigOf } from './wan-plan.ts';

/** A region of the mesh, with its files in place. */
export interface PreparedRegion {
  readonly id: string;
  readonly directory: string;
  readonly configPath: string;
  readonly config: RegionConfig;
}

/** What preparation is told. */
export interface PrepareInput {
  readonly dataDir: string;
  readonly regions: readonly LocalRegion[];
  /** Undefined: existing regions keep their ports, new ones count from the default. */
  readonly portBase: number | undefined;
  readonly officers: readonly Officer[];
  /** With `demo` peers are reached through the proxy between the regions. */
  readonly wan: 'demo' | 'off';
  /** What region.yaml says of a region's online store, given its first region's port; undefined leaves what is there. */
  readonly storeOf?: (region: string, portBase: number) => RegionConfigInput['store'];
  readonly tools: JoinTools;
}

/**
 * Writes what is missing: a folder with region.yaml and keys per region, and every pair joined by invitation and answer, as
 * operators would do it. What is there is kept; with a port base existing regions move, and peers are reached as `wan` says.
 */
export async function prepareRegions(input: PrepareInput): Promise<readonly PreparedRegion[]> {
  const prepared: PreparedRegion[] = [];
  for (const [index, region] of input.regions.entries())
    prepared.push(await prepareRegion(input, region, index));
  const invitations = join(input.dataDir, 'invitations');
  await mkdir(invitations, { recursive: true, mode: 0o700 });
  for (const [index, first] of prepared.entries()) {
    for (const second of prepared.slice(index + 1)) {
      if (knows(first, second) && knows(second, first)) continue;
      await joinPair(first, second, invitations, input.tools);
    }
  }
  await rm(invitations, { recursive: true, force: true });
  const joined = prepared.map(reloaded);
  await routePeers(joined, input.wan);
  await writeStores(joined, input.storeOf);
  return joined.map(reloaded);
}

async function writeStores(
  regions: readonly PreparedRegion[],
  storeOf: PrepareInput['storeOf'],
): Promise<void> {
  const portBase = regions[0]?.config.listen.http.port;
  for (const { id, configPath } of regions) {
    const store = portBase === undefined ? undefined : storeOf?.(id, portBase);
    if (store === undefined) continue;
    const before = readFileSync(configPath, 'utf8');
    const after = withStore(before, store);
    if (after !== before) await writeFileAtomic(configPath, after);
  }
}

async function prepareRegion(
  input: PrepareInput,
  region: LocalRegion,
  index: number,
): Promise<PreparedRegion> {
  const directory = join(input.dataDir, 'regions', region.id);
  const configPath = join(directory, 'region.yaml');
  const portBase = (input.portBase ?? DEFAULT_MESH_PORT_BASE) + index * PORTS_PER_REGION;
  if (!existsSync(configPath))
    await scaffoldRegion(planOf(input, region, directory, portBase), input.tools.random);
  else if (input.portBase !== undefined) {
    const before = readFileSync(configPath, 'utf8');
    const after = movePorts(before, portBase);
    if (after !== before) await writeFileAtomic(configPath, after);
  }
  return { id: region.id, directory, configPath, config: loadRegionConfig(configPath) };
}

function planOf(input: PrepareInput, region: LocalRegion, directory: string, portBase: number): RegionPlan {
  return { ...region, cloud: 'local', directory, portBase, services: 1, officers: input.officers };
}

async function joinPair(
  first: PreparedRegion,
  second: PreparedRegion,
  folder: string,
  tools: JoinTools,
): Promise<void> {
  const invitation = join(folder, `${first.id}-to-${second.id}.json`);
  const reply = join(folder, `${second.id}-to-${first.id}.json`);
  await inviteRegion({ configPath: first.configPath, forRegion: second.id, outPath: invitation }, tools);
  await addRegion({ configPath: second.configPath, invitationPath: invitation, replyPath: reply }, tools);
  await addRegion({ configPath: first.configPath, invitationPath: reply, replyPath: undefined }, tools);
}

/** Writes how each region reaches its peers; both ways of reaching them may alternate from start to start. */
async function routePeers(regions: readonly PreparedRegion[], mode: PrepareInput['wan']): Promise<void> {
  const wan = mode === 'demo' ? wanConfigOf(regions.map(({ config }) => config)) : undefined;
  for (const region of regions) {
    for (const { serviceUrl: _before, ...peer } of region.config.peers) {
      const other = regions.find(candidate => candidate.id === peer.id);
      if (other === undefined) continue;
      const { linkUrl, serviceUrl } = reachedAt(region.config, other.config, wan);
      await addPeer(region.configPath, {
        ...peer,
        linkUrl,
        ...(serviceUrl === undefined ? {} : { serviceUrl }),
      });
    }
  }
}

function reloaded(region: PreparedRegion): PreparedRegion {
  return { ...region, config: loadRegionConfig(region.configPath) };
}

/** True where the one names the other as a peer under the public addresses that it has now. */
function knows(one: PreparedRegion, other: PreparedRegion): boolean {
  const peer = one.config.peers.find(candidate => candidate.id === other.id);
  return (
    peer !== undefined &&
    peer.publicUrl === other.config.publicUrl &&
    peer.publicGatewayUrl === other.config.publicGatewayUrl
  );
}
