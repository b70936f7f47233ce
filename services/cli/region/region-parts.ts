import { connect } from 'node:net';
import { join } from 'node:path';
import {
  drainGraceMs,
  type ListenAddress,
  type RegionConfig,
  serviceAddress,
} from '@featuremesh/contracts/region-config';
import { request } from 'undici';
import { z } from 'zod';
import { installationRoot } from '../target/data-folder.ts';
import type { WantedPort } from './port-check.ts';
import type { ChildSpec } from './supervised-child.ts';

/** Longest wait for one health answer while starting. */
const HEALTH_TIMEOUT_MS = 1_000;
/** From SIGTERM to SIGKILL: above the drain bounds of the processes themselves. */
const NODE_STOP_MS = 12_000;
const BROKER_STOP_MS = 6_000;

/**
 * V8 keeps up to three times this for what was just made. Requests make much that is dead when they end: where they are answered a
 * small young generation costs a fifth of the processor's time and most of the p99; the sync agent has few and large messages.
 */
const YOUNG_MB = { service: 32, sync: 8, gateway: 16 } as const;
/** glibc keeps an arena for each thread unless told otherwise. */
const NODE_MEMORY = { MALLOC_ARENA_MAX: '2' } as const;
/** Also gives what is free back at once, at the price of system time for every large buffer: not where requests are answered. */
const FRUGAL_MEMORY = { ...NODE_MEMORY, MALLOC_TRIM_THRESHOLD_: '131072' } as const;
/** The broker keeps as much garbage as it has data, unless told otherwise. */
const BROKER_MEMORY = { GOGC: '50' } as const;

/**
 * What a service whose store is a cluster can begin without: it accepts rows into the log and says that it cannot read. A region is not kept
 * from starting by a database that is away.
 */
const ROWS_ELSEWHERE: readonly string[] = ['store', 'tables'];

const readinessSchema = z.object({
  components: z.record(z.string(), z.object({ ready: z.boolean() })),
});

const warningsSchema = z.object({
  components: z.record(z.string(), z.object({ warning: z.string().exactOptional() })),
});

/** What is needed to describe the processes of a region. */
export interface PartsInput {
  readonly config: RegionConfig;
  readonly configPath: string;
  readonly env: NodeJS.ProcessEnv;
  /** The broker's program and its configuration; undefined where the operator runs the broker. */
  readonly broker: { readonly program: string; readonly configPath: string } | undefined;
}

/** The processes of a region in start order; they are stopped the other way round. */
export function regionParts(input: PartsInput): readonly ChildSpec[] {
  const { config } = input;
  const services = Array.from({ length: config.services }, (_, slot) =>
    nodePart(input, {
      name: `service-${slot}`,
      youngMb: YOUNG_MB.service,
      memory: NODE_MEMORY,
      program: 'services/feature-store/main.ts',
      extra: ['--slot', String(slot)],
      address: serviceAddress(config, slot),
      mayLack: config.store.type === 'cassandra' ? ROWS_ELSEWHERE : [],
    }),
  );
  return [
    ...brokerPart(input),
    nodePart(input, {
      name: 'sync',
      youngMb: YOUNG_MB.sync,
      memory: FRUGAL_MEMORY,
      program: 'sync/main.ts',
      extra: [],
      address: config.listen.sync,
    }),
    ...services,
    nodePart(input, {
      name: 'gateway',
      youngMb: YOUNG_MB.gateway,
      memory: NODE_MEMORY,
      program: 'gateway/main.ts',
      extra: [],
      address: config.listen.gateway,
    }),
  ];
}

/** Every address that the region's processes listen on, with its purpose. */
export function regionPorts(config: RegionConfig): readonly WantedPort[] {
  const services = Array.from({ length: config.services }, (_, slot) => ({
    ...serviceAddress(config, slot),
    purpose: `region service${slot === 0 ? '' : ` ${slot}`}`,
  }));
  const { embedded } = config.nats;
  const broker =
    embedded === undefined
      ? []
      : [
          { ...embedded.client, purpose: 'broker' },
          { ...embedded.leaf, purpose: 'broker, for peers' },
        ];
  return [
    ...services,
    { ...config.listen.gateway, purpose: 'gateway' },
    { ...config.listen.sync, purpose: 'sync agent' },
    ...broker,
  ];
}

/** `http://host:port` of an address. */
export function httpUrl(address: ListenAddress): string {
  return `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

/** In a drill (`FEATUREMESH_CLOCK_DRILL`) the clocks of one region's processes can be made wrong while they run. */
function drilledClock({ config, env }: PartsInput): NodeJS.ProcessEnv {
  if (env['FEATUREMESH_CLOCK_DRILL'] === undefined) return {};
  return { FEATUREMESH_CLOCK_OFFSET_FILE: join(config.dataDir, 'run', 'clock-offset-ms') };
}

function nodePart(
  input: PartsInput,
  part: {
    readonly name: string;
    readonly youngMb: number;
    readonly memory: NodeJS.ProcessEnv;
    readonly program: string;
    readonly extra: readonly string[];
    readonly address: ListenAddress;
    readonly mayLack?: readonly string[];
  },
): ChildSpec {
  return {
    name: part.name,
    command: process.execPath,
    args: [
      '--disable-warning=ExperimentalWarning',
      `--max-semi-space-size=${part.youngMb}`,
      join(installationRoot, part.program),
      '--config',
      input.configPath,
      ...part.extra,
    ],
    env: { ...part.memory, ...input.env, ...drilledClock(input) },
    ipc: true,
    marker: input.configPath,
    notReady: () => healthReason(httpUrl(part.address), part.mayLack),
    stopMs: NODE_STOP_MS + drainGraceMs(input.config),
  };
}

function brokerPart(input: PartsInput): readonly ChildSpec[] {
  const { broker, config } = input;
  const client = config.nats.embedded?.client;
  if (broker === undefined || client === undefined) return [];
  return [
    {
      name: 'nats',
      command: broker.program,
      args: ['-c', broker.configPath],
      env: { ...BROKER_MEMORY, ...input.env },
      ipc: false,
      marker: broker.configPath,
      notReady: () => greetingReason(client),
      stopMs: BROKER_STOP_MS,
    },
  ];
}

/** Undefined where `/health/ready` is green, or lacks nothing but `mayLack`; else what it says is missing. */
export async function healthReason(
  url: string,
  mayLack: readonly string[] = [],
): Promise<string | undefined> {
  try {
    const answer = await request(`${url}/health/ready`, {
      headersTimeout: HEALTH_TIMEOUT_MS,
      bodyTimeout: HEALTH_TIMEOUT_MS,
    });
    const text = await answer.body.text();
    const isReady = answer.statusCode === 200 || (mayLack.length > 0 && lacksOnly(text, mayLack));
    return isReady ? undefined : `it is not ready: ${text.slice(0, 500)}`;
  } catch (error) {
    return `it does not answer (${error instanceof Error && 'code' in error ? String(error.code) : 'no connection'})`;
  }
}

function lacksOnly(report: string, mayLack: readonly string[]): boolean {
  const { components } = readinessSchema.parse(JSON.parse(report));
  return Object.entries(components).every(([name, { ready }]) => ready || mayLack.includes(name));
}

/** What a process that is ready says all the same: parts that work and should be mended. Empty where it does not answer. */
export async function healthWarnings(url: string): Promise<readonly string[]> {
  try {
    const answer = await request(`${url}/health/ready`, { headersTimeout: HEALTH_TIMEOUT_MS });
    const { components } = warningsSchema.parse(await answer.body.json());
    return Object.entries(components).flatMap(([name, { warning }]) =>
      warning === undefined ? [] : [`${name}: ${warning}`],
    );
  } catch {
    return [];
  }
}

/** The broker greets every connection with `INFO`. */
function greetingReason(address: ListenAddress): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = connect({ host: address.host, port: address.port, timeout: HEALTH_TIMEOUT_MS });
    const done = (reason: string | undefined): void => {
      socket.destroy();
      resolve(reason);
    };
    socket.once('data', data =>
      done(data.toString('latin1').startsWith('INFO ') ? undefined : 'something else answers'),
    );
    socket.once('error', () => done('it does not accept connections'));
    socket.once('timeout', () => done('it does not greet'));
  });
}
