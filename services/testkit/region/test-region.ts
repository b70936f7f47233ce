import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyEncoder } from '@featuremesh/domain/entity-key';
import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import type { RegionInfo } from '@featuremesh/domain/mesh-state';
import type { Officer } from '@featuremesh/domain/policy';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { type RegionId, regionId } from '@featuremesh/domain/region-id';
import { RowPacker } from '@featuremesh/domain/row-packer';
import { JetStreamChangeLog } from '@featuremesh/feature-store/adapters/jetstream/jetstream-change-log';
import { LmdbRegistry } from '@featuremesh/feature-store/adapters/lmdb/lmdb-registry';
import { createRegionApp, type RegionApp } from '@featuremesh/feature-store/http/region-app';
import { registerRowsRoute } from '@featuremesh/feature-store/http/rows-route';
import { INGEST_LIMITS } from '@featuremesh/feature-store/ingest/ingest-limits';
import { IngestService } from '@featuremesh/feature-store/ingest/ingest-service';
import type { OnlineStore, StoredRow } from '@featuremesh/feature-store/ports/online-store';
import type { StampBounds } from '@featuremesh/feature-store/ports/stamp-bounds';
import type { MeshProfile } from '@featuremesh/infra/local-mesh/profile';
import { type Clock, type MonotonicClock, systemClock } from '@featuremesh/runtime/clock';
import { Health } from '@featuremesh/runtime/health';
import { createLogger, type Logger } from '@featuremesh/runtime/logger';
import { PrometheusMetrics } from '@featuremesh/runtime/metrics';
import { systemRandom } from '@featuremesh/runtime/random';
import { generateSigningKey, type SigningKey } from '@featuremesh/runtime/signing';
import { systemTimer } from '@featuremesh/runtime/timer';
import { openTestStore } from './test-store.ts';

/** Token of the test region's internal API. */
export const INTERNAL_TOKEN = 'internal-token-of-a-test-region';

/** Three regions in two jurisdictions, each with a key pair of its own. */
export const MESH = {
  'us-east-1': { jurisdiction: 'US', key: generateSigningKey() },
  'us-west-2': { jurisdiction: 'US', key: generateSigningKey() },
  'eu-west-1': { jurisdiction: 'EU', key: generateSigningKey() },
} as const;

/** An owner and two compliance officers. */
export const OFFICERS: Readonly<
  Record<'ana' | 'ben' | 'cleo', { key: SigningKey; roles: Officer['roles'] }>
> = {
  ana: { key: generateSigningKey(), roles: ['owner'] },
  ben: { key: generateSigningKey(), roles: ['compliance'] },
  cleo: { key: generateSigningKey(), roles: ['compliance'] },
};

/** A row to put into the store as if it had come through the log. */
export interface TestRow {
  readonly key: Readonly<Record<string, unknown>>;
  readonly eventTimeMs: number;
  readonly features?: Readonly<Record<string, unknown>>;
  readonly deleted?: boolean;
  readonly origin?: string;
}

/** An answer of the region, parsed. */
export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** What JSON.parse gives: tests look into answers of every shape; text where the answer is not JSON. */
  readonly body: ReturnType<typeof JSON.parse>;
}

/** How a test region differs from a usual one. */
export interface TestRegionOptions {
  /** A broker with FEED: rows are written over HTTP as in a whole region. Without it there is no write path. */
  readonly brokerUrl?: string;
  /** Where its rows are; by the profile of the tests where it is left out. */
  readonly profile?: MeshProfile;
}

/**
 * A region service on real HTTP and a real store of its own, by the profile of the tests; its registry is LMDB. With a broker it takes writes; without one there is no log, and
 * rows are put into the store directly.
 */
export class TestRegion {
  readonly registry: LmdbRegistry;
  readonly app: RegionApp;
  readonly store: OnlineStore;
  readonly url: string;
  readonly logLines: string[];
  readonly #parts: RegionParts;
  #counter = 0;

  private constructor(parts: {
    registry: LmdbRegistry;
    app: RegionApp;
    store: OnlineStore;
    url: string;
    logLines: string[];
    rest: RegionParts;
  }) {
    this.registry = parts.registry;
    this.app = parts.app;
    this.store = parts.store;
    this.url = parts.url;
    this.logLines = parts.logLines;
    this.#parts = parts.rest;
  }

  /** Starts a region of the test mesh; tables are kept and HTTP listens on a free port. */
  static async start(
    id: keyof typeof MESH = 'us-east-1',
    { brokerUrl, profile }: TestRegionOptions = {},
  ): Promise<TestRegion> {
    const folder = await mkdtemp(join(tmpdir(), 'fm-region-'));
    const clock = new ShiftedClock();
    const faults: Faults = { reads: false, lagMs: 0 };
    const stop = new AbortController();
    const logLines: string[] = [];
    const registry = LmdbRegistry.open({
      path: join(folder, 'registry'),
      roster: {
        self: info(id),
        peers: Object.keys(MESH)
          .filter(other => other !== id)
          .map(info),
      },
      clock,
      timer: systemTimer,
    });
    const opened = await openTestStore(join(folder, 'online'), { profile });
    const store = faulty(opened.store, faults);
    const app = await createRegionApp({
      region: regionId(id),
      registry,
      store,
      officers: Object.entries(OFFICERS).map(([name, { key, roles }]) => ({
        id: name,
        publicKey: key.publicKey,
        roles,
      })),
      internalToken: INTERNAL_TOKEN,
      lagMs: () => faults.lagMs,
      clock,
      timer: systemTimer,
      random: systemRandom,
      logger: capturing(logLines),
      metrics: new PrometheusMetrics({ region: id }, { processMetrics: false }),
      health: new Health(),
      signal: stop.signal,
      routeState: () => (stop.signal.aborted ? 'draining' : 'active'),
      enforcementWaitMs: 0,
    });
    await app.tables.start();
    const writes =
      brokerUrl === undefined
        ? undefined
        : await WritePath.open(brokerUrl, { region: regionId(id), app, registry, store, clock, logLines });
    const url = await app.fastify.listen({ host: '127.0.0.1', port: 0 });
    const rest = {
      folder,
      clock,
      faults,
      stop,
      writes,
      removeStore: () => opened.store.close().then(opened.forget),
    };
    return new TestRegion({ registry, app, store, url, logLines, rest });
  }

  /** Moves the region's clock. */
  shiftClock(byMs: number): void {
    this.#parts.clock.offsetMs += byMs;
  }

  /** Makes every read of the store fail, or no longer. */
  failReads(fail: boolean): void {
    this.#parts.faults.reads = fail;
  }

  /** What the region is told about its lag behind peers. */
  setLag(lagMs: number | null): void {
    this.#parts.faults.lagMs = lagMs;
  }

  /** Begins to drain, as SIGTERM does. */
  drain(): void {
    this.#parts.stop.abort();
  }

  nowMs(): number {
    return this.#parts.clock.nowMs();
  }

  /** One HTTP call; a body is sent as JSON. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<TestAnswer> {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    const json = (answer.headers.get('content-type') ?? '').includes('json');
    return { status: answer.status, headers: answer.headers, body: json ? JSON.parse(text) : text };
  }

  /** The newest version of a group by name. */
  group(name: string, version?: number): CatalogueGroup {
    const found = this.registry
      .state()
      .groups.filter(({ definition }) => definition.name === name)
      .find(group => (version === undefined ? group.aliases.includes('latest') : group.version === version));
    if (found === undefined) throw new Error(`no group ${name}`);
    return found;
  }

  /** Applies rows to a group's table. */
  async put(name: string, rows: readonly TestRow[], version?: number): Promise<void> {
    const group = this.group(name, version);
    const table = this.app.tables.tableFor(group.id, group.version);
    if (table === undefined) throw new Error(`no table of ${name} here`);
    const encoder = new KeyEncoder(group.joinKeys);
    await this.store.apply({ table, rows: rows.map(row => this.#packed(group, encoder, row)) });
  }

  async stop(): Promise<void> {
    this.#parts.stop.abort();
    await this.app.fastify.close();
    await this.#parts.writes?.close();
    await this.app.tables.stop();
    await this.registry.close();
    await this.#parts.removeStore();
    await rm(this.#parts.folder, { recursive: true, force: true });
  }

  #packed(group: CatalogueGroup, encoder: KeyEncoder, row: TestRow): StoredRow {
    const packer = new RowPacker(
      group.definition.features,
      group.revision,
      (row.origin ?? this.registry.state().region) as RegionId,
    );
    const eventTimeUs = BigInt(row.eventTimeMs) * 1_000n;
    this.#counter += 1;
    const stamp = { physicalUs: BigInt(this.nowMs()) * 1_000n, counter: this.#counter, slot: 0 };
    const times = { eventTimeUs, createdTimeUs: eventTimeUs, stamp };
    const key = encoder.encode(row.key);
    if (!key.ok) throw new ProblemError(key.problem);
    if (row.deleted === true) return { key: key.value, row: packer.packDeletion(times) };
    const packed = packer.pack(times, row.features ?? {}, { nonFinite: 'refuse' });
    if (!packed.ok) throw new ProblemError(packed.problem);
    return { key: key.value, row: packed.value };
  }
}

interface RegionParts {
  readonly folder: string;
  readonly clock: ShiftedClock;
  readonly faults: Faults;
  readonly stop: AbortController;
  readonly writes: WritePath | undefined;
  readonly removeStore: () => Promise<void>;
}

/** The log and the write path of a test region. */
class WritePath {
  readonly #log: JetStreamChangeLog;
  readonly #ingest: IngestService;

  private constructor(log: JetStreamChangeLog, ingest: IngestService) {
    this.#log = log;
    this.#ingest = ingest;
  }

  /** Connects, starts the write path, and registers its route; before the region listens. */
  static async open(
    brokerUrl: string,
    parts: {
      region: RegionId;
      app: RegionApp;
      registry: LmdbRegistry;
      store: OnlineStore & StampBounds;
      clock: ShiftedClock;
      logLines: string[];
    },
  ): Promise<WritePath> {
    const { region, app, registry, store, clock } = parts;
    const logger = capturing(parts.logLines);
    const log = await JetStreamChangeLog.connect({ servers: brokerUrl, slot: 0, logger, timer: systemTimer });
    const ingest = new IngestService({
      registry,
      tables: app.tables,
      store,
      log,
      slot: 0,
      region,
      clock,
      timer: systemTimer,
      random: systemRandom,
      metrics: new PrometheusMetrics({ region }, { processMetrics: false }),
      logger,
      limits: INGEST_LIMITS,
    });
    await ingest.start();
    await registerRowsRoute(app.fastify, { ingest, callerOf: () => 'anonymous' });
    return new WritePath(log, ingest);
  }

  async close(): Promise<void> {
    await this.#ingest.drain();
    await this.#log.close();
  }
}

interface Faults {
  reads: boolean;
  lagMs: number | null;
}

/** The machine's clock, moved by a test. */
class ShiftedClock implements Clock, MonotonicClock {
  offsetMs = 0;
  nowMs = (): number => systemClock.nowMs() + this.offsetMs;
  nowUs = (): bigint => systemClock.nowUs() + BigInt(this.offsetMs) * 1_000n;
  monotonicMs = (): number => systemClock.monotonicMs();
}

function info(id: string): RegionInfo {
  const { jurisdiction, key } = MESH[id as keyof typeof MESH];
  return {
    id: regionId(id),
    jurisdiction,
    cloud: 'test',
    publicUrl: `http://${id}.example`,
    publicGatewayUrl: `http://gateway.${id}.example`,
    publicKey: key.publicKey,
  };
}

/** The real store, which answers reads with the port's failure while the switch is on. */
function faulty(store: OnlineStore & StampBounds, faults: Faults): OnlineStore & StampBounds {
  return new Proxy<OnlineStore & StampBounds>(store, {
    get: (target, name) => {
      const failure = new ProblemError(problem('STORE_UNAVAILABLE', 'the store does not answer'));
      if (name === 'read' && faults.reads) return () => Promise.reject(failure);
      if (name === 'visit' && faults.reads)
        return () => {
          throw failure;
        };
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

function capturing(lines: string[]): Logger {
  return createLogger(
    { process: 'test' },
    { level: 'debug', stream: { write: line => void lines.push(line) } },
  );
}
