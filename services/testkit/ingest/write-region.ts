import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JetStreamChangeLog } from '@featuremesh/feature-store/adapters/jetstream/jetstream-change-log';
import { INGEST_LIMITS, type IngestLimits } from '@featuremesh/feature-store/ingest/ingest-limits';
import { IngestService } from '@featuremesh/feature-store/ingest/ingest-service';
import type { WriteCommand, WriteSummary } from '@featuremesh/feature-store/ingest/write-command';
import type { ChangeLog } from '@featuremesh/feature-store/ports/change-log';
import type { OnCrashPoint } from '@featuremesh/feature-store/ports/crash-points';
import type { OnlineStore } from '@featuremesh/feature-store/ports/online-store';
import type { StampBounds } from '@featuremesh/feature-store/ports/stamp-bounds';
import { type Clock, type MonotonicClock, systemClock } from '@featuremesh/runtime/clock';
import { createLogger, type LogLevel } from '@featuremesh/runtime/logger';
import { PrometheusMetrics } from '@featuremesh/runtime/metrics';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { openTestStore, type TestStore } from '../region/test-store.ts';
import { WORLD_REGION, type WriteWorld } from './write-world.ts';

/** How a write region of a test differs from a usual one. */
export interface WriteRegionOptions {
  readonly brokerUrl: string;
  readonly world: WriteWorld;
  readonly slot?: number;
  /** Folder of the online store; a new one that is removed at the end where not given. */
  readonly storePath?: string;
  readonly limits?: Partial<IngestLimits>;
  readonly clock?: Clock & MonotonicClock;
  readonly logLevel?: LogLevel;
  /** Another real store than that of the profile; the region closes it. */
  readonly openStore?: () => Promise<OnlineStore & StampBounds>;
  readonly onCrashPoint?: OnCrashPoint;
  /** Put between the write path and the real store, or the real log, for instance to make them fail. */
  readonly wrapStore?: (store: OnlineStore & StampBounds) => OnlineStore & StampBounds;
  readonly wrapLog?: (log: JetStreamChangeLog) => ChangeLog;
}

/** The write path of one process on a real broker and a real store, by the profile of the tests, without HTTP. */
export class WriteRegion {
  readonly ingest: IngestService;
  readonly store: OnlineStore & StampBounds;
  readonly log: JetStreamChangeLog;
  readonly parts: {
    readonly clock: Clock & MonotonicClock;
    readonly timer: typeof systemTimer;
    readonly random: typeof systemRandom;
    readonly metrics: PrometheusMetrics;
    readonly logger: ReturnType<typeof createLogger>;
    readonly world: WriteWorld;
  };
  readonly #folder: string | undefined;
  readonly #forget: () => Promise<void>;

  private constructor(parts: {
    ingest: IngestService;
    store: OnlineStore & StampBounds;
    log: JetStreamChangeLog;
    parts: WriteRegion['parts'];
    folder: string | undefined;
    forget: () => Promise<void>;
  }) {
    this.ingest = parts.ingest;
    this.store = parts.store;
    this.log = parts.log;
    this.parts = parts.parts;
    this.#folder = parts.folder;
    this.#forget = parts.forget;
  }

  /** Opens the store with the world's tables, connects, and starts the write path. */
  static async start(options: WriteRegionOptions): Promise<WriteRegion> {
    const folder = options.storePath === undefined ? await mkdtemp(join(tmpdir(), 'fm-write-')) : undefined;
    const { world, slot = 0, clock = systemClock } = options;
    const { store: real, forget } = await openStore(options, folder);
    await real.ensureTables(world.tables());
    const store = options.wrapStore?.(real) ?? real;
    const logger = createLogger({ process: 'test' }, { level: options.logLevel ?? 'silent' });
    const timer = systemTimer;
    const log = await JetStreamChangeLog.connect({ servers: options.brokerUrl, slot, logger, timer });
    const metrics = new PrometheusMetrics({}, { processMetrics: false });
    const parts = { clock, timer, random: systemRandom, metrics, logger, world };
    const ingest = new IngestService({
      ...parts,
      registry: world.registry,
      tables: world,
      store,
      log: options.wrapLog?.(log) ?? log,
      slot,
      region: WORLD_REGION,
      limits: { ...INGEST_LIMITS, ...options.limits },
      onCrashPoint: options.onCrashPoint,
    });
    await ingest.start();
    return new WriteRegion({ ingest, store, log, parts, folder, forget });
  }

  /** Writes JSON rows. */
  write(group: string, rows: readonly unknown[], more: Partial<WriteCommand> = {}): Promise<WriteSummary> {
    return this.ingest.write({
      group,
      caller: 'anonymous',
      onReject: 'skip',
      nonFinite: 'refuse',
      body: { kind: 'json', text: JSON.stringify({ rows }) },
      ...more,
    });
  }

  /** Drains, and closes store and connection. */
  async stop(): Promise<void> {
    await this.ingest.drain();
    await this.log.close();
    await this.store.close();
    await this.#forget();
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }
}

async function openStore(
  { openStore: given, storePath }: WriteRegionOptions,
  folder: string | undefined,
): Promise<TestStore> {
  if (given !== undefined) return { store: await given(), forget: async () => undefined };
  return openTestStore(join(storePath ?? folder ?? '', 'online'), { kept: storePath !== undefined });
}
