import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRegionConfig, type RegionConfig } from '@featuremesh/contracts/region-config';
import {
  type BrokerUser,
  brokerPassword,
  ensureNatsSecrets,
  type NatsSecrets,
} from '@featuremesh/runtime/broker-secrets';
import { systemRandom } from '@featuremesh/runtime/random';
import { freePort } from '../../ports/free-port.ts';
import { writeNatsConfig } from '../nats-config.ts';

const START_TRIES = 400;
const START_PAUSE_MS = 25;

/** A user key pair in the form that brokers name and hold it. */
export interface LinkKeyPair {
  readonly seed: string;
  readonly publicKey: string;
}

interface TestRegion {
  readonly config: RegionConfig;
  readonly secrets: NatsSecrets;
  readonly linkKey: LinkKeyPair;
  readonly folder: string;
  process: ChildProcess | undefined;
}

/** Real nats-servers of several regions, configured by `writeNatsConfig` as the supervisor does it and linked in full mesh. For tests. */
export class LinkedBrokers {
  readonly #binary: string;
  readonly #root: string;
  readonly #regions: ReadonlyMap<string, TestRegion>;

  private constructor(binary: string, root: string, regions: ReadonlyMap<string, TestRegion>) {
    this.#binary = binary;
    this.#root = root;
    this.#regions = regions;
  }

  /** Configures and starts one server per region. `ports` may put something between the regions: peer's leaf port → port to dial. */
  static async start(options: {
    binary: string;
    regions: readonly string[];
    linkKeys: () => LinkKeyPair;
  }): Promise<LinkedBrokers> {
    const root = await mkdtemp(join(tmpdir(), 'fm links '));
    const faces = new Map<string, { leaf: number; client: number; linkKey: LinkKeyPair }>();
    for (const id of options.regions) {
      faces.set(id, { leaf: await freePort(), client: await freePort(), linkKey: options.linkKeys() });
    }
    const regions = new Map<string, TestRegion>();
    for (const [id, face] of faces) {
      const folder = join(root, id);
      await mkdir(join(folder, 'keys'), { recursive: true, mode: 0o700 });
      await writeFile(join(folder, 'keys', 'link.nk'), face.linkKey.seed, { mode: 0o600 });
      const secrets = await ensureNatsSecrets(join(folder, 'keys', 'nats.json'), systemRandom);
      const others = [...faces].filter(([other]) => other !== id);
      const config = regionConfig(id, folder, { ...face, others });
      await writeNatsConfig(config);
      regions.set(id, { config, secrets, linkKey: face.linkKey, folder, process: undefined });
    }
    const brokers = new LinkedBrokers(options.binary, root, regions);
    for (const id of options.regions) await brokers.resume(id);
    return brokers;
  }

  config(id: string): RegionConfig {
    return this.#region(id).config;
  }

  url(id: string): string {
    return `nats://127.0.0.1:${this.config(id).nats.embedded?.client.port ?? 0}`;
  }

  password(id: string, user: BrokerUser): string {
    return brokerPassword(this.#region(id).secrets, user);
  }

  /** The seed with which the region shows itself to its peers: all that a hostile region has. */
  linkSeed(id: string): string {
    return this.#region(id).linkKey.seed;
  }

  /** Starts the region's server on what it has. */
  async resume(id: string): Promise<void> {
    const region = this.#region(id);
    region.process = spawn(this.#binary, ['-c', join(region.config.dataDir, 'nats', 'nats.conf')], {
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    await reachable(region.config.nats.embedded?.client.port ?? 0);
  }

  /** Ends the region's server without warning. */
  async kill(id: string): Promise<void> {
    await end(this.#region(id), 'SIGKILL');
  }

  /** Ends all servers and removes their folders. */
  async stop(): Promise<void> {
    for (const region of this.#regions.values()) await end(region, 'SIGKILL');
    await rm(this.#root, { recursive: true, force: true });
  }

  #region(id: string): TestRegion {
    const region = this.#regions.get(id);
    if (region === undefined) throw new TypeError(`no region ${id}`);
    return region;
  }
}

function regionConfig(
  id: string,
  folder: string,
  ports: {
    leaf: number;
    client: number;
    others: readonly (readonly [string, { leaf: number; linkKey: LinkKeyPair }])[];
  },
): RegionConfig {
  const key = `${'A'.repeat(43)}=`;
  const url = 'http://127.0.0.1:1';
  const parsed = parseRegionConfig({
    id,
    jurisdiction: 'US',
    cloud: 'test',
    listen: { http: 1, gateway: 2, sync: 3 },
    publicUrl: url,
    publicGatewayUrl: url,
    dataDir: join(folder, 'data'),
    nats: { embedded: { client: ports.client, leaf: ports.leaf } },
    keys: { link: join(folder, 'keys', 'link.nk'), natsSecrets: join(folder, 'keys', 'nats.json') },
    peers: ports.others.map(([peer, face]) => ({
      id: peer,
      jurisdiction: 'US',
      cloud: 'test',
      linkUrl: `nats-leaf://127.0.0.1:${face.leaf}`,
      publicUrl: url,
      publicGatewayUrl: url,
      publicKey: key,
      linkKey: face.linkKey.publicKey,
    })),
  });
  if (!parsed.ok) throw new TypeError(JSON.stringify(parsed.problem));
  return parsed.value;
}

async function end(region: TestRegion, signal: NodeJS.Signals): Promise<void> {
  const child = region.process;
  region.process = undefined;
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise(resolve => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}

async function reachable(port: number): Promise<void> {
  for (let tries = 1; ; tries++) {
    const open = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    if (tries === START_TRIES) throw new Error(`nothing listens on port ${port}`);
    await new Promise(resolve => setTimeout(resolve, START_PAUSE_MS));
  }
}
