import { mkdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { drainGraceMs, type RegionConfig } from '@featuremesh/contracts/region-config';
import { ERRORS } from '@featuremesh/domain/error-catalogue';
import { MAX_STORE_TABLES } from '@featuremesh/domain/limits';
import type { RegionInfo } from '@featuremesh/domain/mesh-state';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { PURGE_PATIENCE } from '@featuremesh/domain/retention';
import { brokerPassword, readNatsSecrets } from '@featuremesh/runtime/broker-secrets';
import { systemClock } from '@featuremesh/runtime/clock';
import { loadRegionConfig } from '@featuremesh/runtime/config-loader';
import { Health } from '@featuremesh/runtime/health';
import { ensureInternalToken } from '@featuremesh/runtime/internal-token';
import { Lifecycle } from '@featuremesh/runtime/lifecycle';
import { createLogger, type Logger } from '@featuremesh/runtime/logger';
import { PrometheusMetrics } from '@featuremesh/runtime/metrics';
import { systemRandom } from '@featuremesh/runtime/random';
import { publicKeyOf, readPrivateKey } from '@featuremesh/runtime/signing';
import { systemTimer } from '@featuremesh/runtime/timer';
import { startTracing, type Tracing } from '@featuremesh/runtime/tracing';
import type { CassandraRegistry } from './adapters/cassandra/cassandra-registry.ts';
import { openCassandraRegistry } from './adapters/cassandra/open-cassandra-registry.ts';
import { openCassandraStore } from './adapters/cassandra/open-cassandra-store.ts';
import { FileRegistryCopies } from './adapters/filesystem/file-registry-copies.ts';
import { FileStoreCounts } from './adapters/filesystem/file-store-counts.ts';
import { JetStreamChangeLog } from './adapters/jetstream/jetstream-change-log.ts';
import { LmdbOnlineStore } from './adapters/lmdb/lmdb-online-store.ts';
import { LmdbRegistry } from './adapters/lmdb/lmdb-registry.ts';
import { brokerUrl, listenAddress, parseServiceArguments, rosterOf, servicePaths } from './config.ts';
import { LateIngest } from './http/late-ingest.ts';
import { createRegionApp, type RegionApp } from './http/region-app.ts';
import { registerRowsRoute } from './http/rows-route.ts';
import { INGEST_LIMITS } from './ingest/ingest-limits.ts';
import { IngestService } from './ingest/ingest-service.ts';
import { LagTracker } from './ingest/lag-tracker.ts';
import { withLocalSlots } from './ingest/local-slots.ts';
import { Projector } from './ingest/projector.ts';
import { RetentionSweeper, SWEEP_PACE } from './ingest/retention-sweeper.ts';
import { HEALTH_EVERY_MS, type OpenedStore, overOpenedStore, type RegionStore } from './region-store.ts';
import { SteadyRegistry } from './registry/steady-registry.ts';
import { type ObserverParts, observedLog } from './telemetry/observed-log.ts';
import { setServiceGauges } from './telemetry/service-gauges.ts';

/** Pause between two tries to announce the region where the registry could not be changed at the start. */
const ANNOUNCE_AGAIN_MS = 2_000;

/** Said by readiness and in the log while the process ends. */
const LOG_REPLACED = 'the change log was lost and made anew; this process ends, to begin on it';

/** Longest wait for the log and the slot: the sync agent makes the log once this process answers it. */
const WRITES_START_TIMEOUT_MS = 150_000;

/** Longest drain of writes: below the supervisor's patience. */
const DRAIN_TIMEOUT_MS = 8_000;

const machine = { clock: systemClock, timer: systemTimer, random: systemRandom };

/** The registry of either kind. */
type RegionRegistry = SteadyRegistry | CassandraRegistry;

/** All that the parts of the process share. */
interface Process extends RegionStore {
  readonly config: RegionConfig;
  readonly slot: number;
  readonly logger: Logger;
  readonly metrics: PrometheusMetrics;
  readonly tracing: Tracing | undefined;
  readonly observer: ObserverParts;
  readonly health: Health;
  readonly lifecycle: Lifecycle;
  readonly registry: RegionRegistry;
  /** Set once the log is there. */
  readonly late: {
    ingest: LateIngest;
    lag?: LagTracker;
    log?: JetStreamChangeLog;
    writes?: IngestService;
    projector?: Projector;
  };
}

async function run(configPath: string, slot: number, logger: Logger): Promise<void> {
  const config = loadRegionConfig(configPath);
  if (config.tls !== undefined)
    throw new ProblemError(problem('NOT_YET_SUPPORTED', '`tls` of the region service is not supported yet'));
  const lifecycle = new Lifecycle({ ...machine, logger, graceMs: drainGraceMs(config) });
  lifecycle.attach(process);
  const metrics = new PrometheusMetrics({ region: config.id, process: 'service', slot: String(slot) });
  const tracing = await startTracing({
    environment: process.env,
    process: 'service',
    region: config.id,
    slot,
    regions: [config.id, ...config.peers.map(peer => peer.id)],
    metrics,
    logger,
    timer: systemTimer,
  });
  lifecycle.onStop('tracing', () => tracing?.stop());
  const observer = { metrics, clock: systemClock, tracing };
  const health = new Health(['registry', 'tables', 'http', 'log', 'writes']);
  const registry = await openRegistry({ config, slot, lifecycle, logger });
  const late: Process['late'] = { ingest: new LateIngest() };
  const regionStore = await overOpenedStore({
    ...(await openStore({ config, slot, lifecycle, logger })),
    ...{ kind: config.store.type, registry, lifecycle, health, logger, observer },
    counts: new FileStoreCounts(servicePaths(config).storeCounts),
    warning: () => late.projector?.warning(),
  });
  const telemetry = { metrics, tracing, observer };
  const shared: Process = {
    config,
    slot,
    logger,
    ...telemetry,
    health,
    lifecycle,
    registry,
    ...regionStore,
    late,
  };
  const app = await createApp(shared);
  addHttp(shared, app);
  addWrites(shared, app);
  await lifecycle.start();
  logger.info({ slot }, 'region service runs');
}

async function openRegistry({
  config,
  slot,
  lifecycle,
  logger,
}: Pick<Process, 'config' | 'slot' | 'lifecycle' | 'logger'>): Promise<RegionRegistry> {
  const paths = servicePaths(config);
  for (const path of [paths.online, paths.objects, paths.registryCopies])
    await mkdir(path, { recursive: true });
  const roster = rosterOf(config, publicKeyOf(readPrivateKey(config.keys.signing)));
  const copies = new FileRegistryCopies({ folder: paths.registryCopies, slot, logger });
  const registry =
    config.registry.type === 'lmdb'
      ? await SteadyRegistry.open({
          open: lost => {
            mkdirSync(paths.registry, { recursive: true });
            return LmdbRegistry.open({ path: paths.registry, roster, lost, ...machine });
          },
          ...{ copies, roster, logger, ...machine },
        })
      : await openCassandraRegistry(
          { config: config.registry, environment: process.env },
          { roster, copies },
          { ...machine, logger },
        );
  lifecycle.onStop('registry', () => registry.close());
  await announce(registry, roster.self, { lifecycle, logger });
  return registry;
}

/** What peers are told of this region, as soon as the registry takes it; nothing is written where it is as before. */
async function announce(
  registry: RegionRegistry,
  self: RegionInfo,
  { lifecycle, logger }: Pick<Process, 'lifecycle' | 'logger'>,
): Promise<void> {
  const tryOnce = async (): Promise<boolean> => {
    try {
      await registry.commit({
        entries: [{ kind: 'region', home: self.id, sequence: 0, region: self }],
        actor: 'region service',
        what: 'announce the region as configured',
      });
      return true;
    } catch (error) {
      if (!(error instanceof ProblemError) || !ERRORS[error.problem.code].retryable) throw error;
      return false;
    }
  };
  if (await tryOnce()) return;
  logger.warn({}, 'the region is announced as it was: the registry cannot be changed');
  const again = systemTimer.every(ANNOUNCE_AGAIN_MS, async () => {
    if (registry.warning() === undefined && (await tryOnce())) again.stop();
  });
  lifecycle.onStop('announcement', () => again.stop());
}

async function openStore({
  config,
  slot,
  lifecycle,
  logger,
}: Pick<Process, 'config' | 'slot' | 'lifecycle' | 'logger'>): Promise<OpenedStore> {
  const { online, slots } = servicePaths(config);
  if (config.store.type === 'lmdb') {
    const store = LmdbOnlineStore.open({ path: online, maxTables: MAX_STORE_TABLES });
    lifecycle.onStop('online store', () => store.close());
    return { store };
  }
  const local = LmdbOnlineStore.open({ path: slots, maxTables: 1 });
  lifecycle.onStop('slots', () => local.close());
  const store = await openCassandraStore(config.store, process.env, { ...machine, logger });
  lifecycle.onStop('online store', () => store.close());
  return { store: withLocalSlots(store, slot, local), elsewhere: store };
}

async function createApp(shared: Process): Promise<RegionApp> {
  const { config, logger, metrics, tracing, health, lifecycle, registry, store, late } = shared;
  const folders = servicePaths(config);
  const app = await createRegionApp({
    region: config.id,
    registry,
    store,
    refills: shared.refill,
    officers: config.officers,
    internalToken: ensureInternalToken(config.keys.internal, systemRandom),
    lagMs: peers => longestLag(peers.map(peer => late.lag?.lagMs(peer) ?? null)),
    logger,
    metrics,
    tracing,
    gauges: () =>
      setServiceGauges({
        metrics,
        ...machine,
        store,
        folders,
        state: () => registry.state(),
        log: () => late.log,
        lagMs: peer => late.lag?.lagMs(peer) ?? null,
        isBehind: () => late.writes?.isBehind ?? false,
      }),
    health,
    signal: lifecycle.signal,
    maxTables: config.store.type === 'cassandra' ? config.store.maxTables : MAX_STORE_TABLES,
    routeState: () => (lifecycle.phase.kind === 'stopping' ? 'draining' : 'active'),
    ...machine,
  });
  await registerRowsRoute(app.fastify, { ingest: late.ingest, callerOf: () => 'anonymous' });
  return app;
}

/** One peer whose lag is unknown makes the lag of the copy unknown. */
function longestLag(lags: readonly (number | null)[]): number | null {
  return lags.reduce<number | null>(
    (longest, lag) => (longest === null || lag === null ? null : Math.max(longest, lag)),
    0,
  );
}

function addHttp({ config, slot, health, lifecycle, registry }: Process, app: RegionApp): void {
  const judgeRegistry = (): void => {
    if (registry.hasState) health.ready('registry', registry.warning());
    else health.notReady('registry', registry.warning() ?? 'starting');
  };
  const judge = systemTimer.every(HEALTH_EVERY_MS, judgeRegistry);
  lifecycle.onStop('registry health', () => judge.stop());
  judgeRegistry();
  lifecycle.add({ name: 'tables', start: () => app.tables.start(), stop: () => app.tables.stop() });
  lifecycle.add({
    name: 'http',
    start: async () => {
      await app.fastify.listen(listenAddress(config, slot));
      health.ready('http');
    },
    stop: () => app.fastify.close(),
  });
}

function addWrites(shared: Process, app: RegionApp): void {
  const { config, slot, logger, metrics, tracing, lifecycle, registry, store, late } = shared;
  lifecycle.add({
    name: 'log and writes',
    startTimeoutMs: WRITES_START_TIMEOUT_MS,
    start: async () => {
      const secrets = await readNatsSecrets(config.keys.natsSecrets);
      const log = await JetStreamChangeLog.connect({
        servers: brokerUrl(config),
        user: 'service',
        password: brokerPassword(secrets, 'service'),
        slot,
        logger,
        timer: systemTimer,
      });
      lifecycle.onStop('log', () => log.close());
      late.log = log;
      void shared.rebuild.watch(log, lifecycle.signal);
      const lag = new LagTracker({ log, store, logger, ...machine });
      late.lag = lag;
      lifecycle.add({ name: 'lag tracker', start: () => lag.start(), stop: () => lag.stop() });
      const { tables } = app;
      const common = {
        ...{ registry, tables, store, slot, region: config.id, logger, metrics, tracing, ...machine },
        log: observedLog(log, shared.observer),
      };
      const projector = new Projector(common);
      late.projector = projector;
      lifecycle.add({ name: 'projector', start: () => projector.start(), stop: () => projector.stop() });
      const sweeper = new RetentionSweeper({ ...common, patience: PURGE_PATIENCE, pace: SWEEP_PACE });
      lifecycle.add({ name: 'retention', start: () => sweeper.start(), stop: () => sweeper.stop() });
      const ingest = new IngestService({ ...common, limits: INGEST_LIMITS });
      late.writes = ingest;
      lifecycle.add({
        name: 'writes',
        startTimeoutMs: WRITES_START_TIMEOUT_MS,
        stopTimeoutMs: DRAIN_TIMEOUT_MS,
        start: async () => {
          await ingest.start();
          late.ingest.provide(ingest);
        },
        stop: () => ingest.drain(),
      });
      const judge = systemTimer.every(HEALTH_EVERY_MS, () => judgeHealth(shared, app, { log, ingest }));
      lifecycle.onStop('health', () => judge.stop());
    },
  });
}

function judgeHealth(
  { health, lifecycle }: Process,
  app: RegionApp,
  { log, ingest }: { log: JetStreamChangeLog; ingest: IngestService },
): void {
  const note = (component: string, reason: string | undefined): void =>
    reason === undefined ? health.ready(component) : health.notReady(component, reason);
  const tables = app.tables.failure();
  note('tables', tables === undefined ? undefined : `tables do not match the placements: ${tables}`);
  // All that the process knows of the log counts the one of its start.
  if (log.isReplaced()) lifecycle.fail(LOG_REPLACED);
  const silent = log.isConnected() ? undefined : 'the broker does not answer';
  note('log', log.isReplaced() ? LOG_REPLACED : silent);
  note('writes', ingest.notReady());
}

const logger = createLogger({ process: 'service' });
try {
  const { configPath, slot } = parseServiceArguments(process.argv.slice(2));
  await run(configPath, slot, logger.child({ slot, config: configPath }));
} catch (error) {
  const issues = error instanceof ProblemError ? error.problem.issues : undefined;
  logger.error(
    { err: error, ...(issues === undefined ? {} : { issues }) },
    'the region service did not start',
  );
  // LMDB and the broker's client may still hold the process; a failed start ends it.
  process.exit(1);
}
