import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ListenAddress, type RegionConfig, serviceAddress } from '@featuremesh/contracts/region-config';
import type { RegionInfo } from '@featuremesh/domain/mesh-state';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { RegionRoster } from './registry/mesh-state-builder.ts';

/** What one service process is told on its command line: `--config <region.yaml> [--slot N]`. */
export interface ServiceArguments {
  readonly configPath: string;
  /** Node slot, 0 where not given; unique among the region's service processes. */
  readonly slot: number;
}

/** Parses the command line; throws a ProblemError INVALID_CONFIG that names what is missing. */
export function parseServiceArguments(args: readonly string[]): ServiceArguments {
  const { values } = parseArgs({
    args: [...args],
    options: { config: { type: 'string' }, slot: { type: 'string', default: '0' } },
  });
  if (values.config === undefined)
    throw new ProblemError(problem('INVALID_CONFIG', 'give --config <region.yaml>'));
  if (!/^\d{1,2}$/.test(values.slot))
    throw new ProblemError(problem('INVALID_CONFIG', '--slot must be a small whole number'));
  return { configPath: values.config, slot: Number(values.slot) };
}

/** Where one service process keeps and finds things. */
export interface ServicePaths {
  readonly registry: string;
  /** Copies of the registry, apart from it. */
  readonly registryCopies: string;
  /** Slots that processes of this machine hold, beside a store that is elsewhere. */
  readonly slots: string;
  readonly online: string;
  /** Rows per table as last seen: what a lost store held. */
  readonly storeCounts: string;
  readonly objects: string;
}

/** Folders below the region's data folder, which all its service processes share. */
export function servicePaths(config: RegionConfig): ServicePaths {
  const { objects } = config;
  return {
    registry: join(config.dataDir, 'lmdb', 'registry'),
    registryCopies: join(config.dataDir, 'registry-copies'),
    storeCounts: join(config.dataDir, 'store-counts.json'),
    slots: join(config.dataDir, 'lmdb', 'slots'),
    online: join(config.dataDir, 'lmdb', 'online'),
    objects:
      objects.type === 'filesystem' && objects.path !== undefined
        ? objects.path
        : join(config.dataDir, 'objects'),
  };
}

/** The regions that this region's configuration names; `publicKey` is this region's own. */
export function rosterOf(config: RegionConfig, publicKey: string): RegionRoster {
  const self: RegionInfo = { ...namesOf(config), publicKey };
  return { self, peers: config.peers.map(peer => ({ ...namesOf(peer), publicKey: peer.publicKey })) };
}

/** The broker's address as the region's own processes reach it. */
export function brokerUrl(config: RegionConfig): string {
  const { url, embedded } = config.nats;
  if (url !== undefined) return url;
  const client = embedded?.client;
  if (client === undefined) throw new ProblemError(problem('INVALID_CONFIG', 'region.yaml names no broker'));
  return `nats://${hostOf(client)}:${client.port}`;
}

/** Where this process listens. */
export function listenAddress(config: RegionConfig, slot: number): ListenAddress {
  if (slot < config.services) return serviceAddress(config, slot);
  throw new ProblemError(
    problem('INVALID_CONFIG', `slot ${slot} does not exist: \`services\` is ${config.services}`),
  );
}

const hostOf = ({ host }: ListenAddress): string => (host.includes(':') ? `[${host}]` : host);

function namesOf(
  from: Pick<RegionConfig, 'id' | 'jurisdiction' | 'cloud' | 'publicUrl' | 'publicGatewayUrl'>,
) {
  const { id, jurisdiction, cloud, publicUrl, publicGatewayUrl } = from;
  return { id, jurisdiction, cloud, publicUrl, publicGatewayUrl };
}
