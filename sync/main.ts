import { parseArgs } from 'node:util';
import { type RegionConfig, serviceAddress } from '@featuremesh/contracts/region-config';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { brokerFiles } from '@featuremesh/runtime/broker-files';
import { brokerPassword, readNatsSecrets } from '@featuremesh/runtime/broker-secrets';
import { systemClock } from '@featuremesh/runtime/clock';
import { loadRegionConfig } from '@featuremesh/runtime/config-loader';
import { Health } from '@featuremesh/runtime/health';
import { readInternalToken } from '@featuremesh/runtime/internal-token';
import { Lifecycle } from '@featuremesh/runtime/lifecycle';
import { createLogger, type Logger } from '@featuremesh/runtime/logger';
import { PrometheusMetrics } from '@featuremesh/runtime/metrics';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { startTracing, type Tracing } from '@featuremesh/runtime/tracing';
import { HttpRegionService } from './adapters/http/http-region-service.ts';
import { openRegionBroker, type RegionBroker } from './adapters/jetstream/region-broker.ts';
import { measuredIn, measuredOut, measuredSink } from './agent/link-metrics.ts';
import { reportLinks } from './agent/link-reporter.ts';
import { setLogGauges } from './agent/log-gauges.ts';
import { PolicyKeeper, type PolicyOutcome } from './agent/policy-keeper.ts';
import { StatusServer } from './agent/status-server.ts';
import { LinkSession } from './engine/link-session.ts';

/** Between two looks whether FEED is still there. */
const FEED_LOOK_MS = 1_000;
/** The broker may take this long to recover its streams after a crash; the service waits as long for FEED. */
const BROKER_START_MS = 120_000;

function hostUrl(scheme: string, { host, port }: { host: string; port: number }): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function brokerUrl(config: RegionConfig): string {
  const { embedded, url } = config.nats;
  return embedded === undefined ? (url ?? '') : hostUrl('nats', embedded.client);
}

/** What is known before the service has said anything: nothing is permitted. */
function emptyState(config: RegionConfig): MeshState {
  return {
    revision: 0,
    region: config.id,
    regions: [],
    groups: [],
    opaqueGroups: [],
    services: [],
    entities: [],
    policies: [],
    policyEpochs: {},
    policyConfirmedAtMs: {},
  };
}

async function openBroker(
  config: RegionConfig,
  logger: Logger,
  tracing: Tracing | undefined,
): Promise<RegionBroker> {
  const secrets = await readNatsSecrets(config.keys.natsSecrets);
  return openRegionBroker({
    self: config.id,
    peers: config.peers.map(peer => peer.id),
    servers: brokerUrl(config),
    password: user => brokerPassword(secrets, user),
    files: config.nats.embedded === undefined ? undefined : brokerFiles(config.dataDir),
    replicas: config.nats.feedReplicas,
    feedLimits: config.nats.feed,
    timer: systemTimer,
    random: systemRandom,
    logger,
    readTraces: tracing !== undefined,
  });
}

async function runAgent(config: RegionConfig, parts: AgentParts): Promise<void> {
  const { lifecycle, health, metrics, tracing, logger, region, show } = parts;
  const service = new HttpRegionService({
    urls: Array.from({ length: config.services }, (_, slot) => hostUrl('http', serviceAddress(config, slot))),
    token: () => readInternalToken(config.keys.internal),
  });
  lifecycle.onStop('service client', () => service.close());
  let outcome: PolicyOutcome | undefined;
  const base = { clock: systemClock, timer: systemTimer, logger };
  const keeper = new PolicyKeeper(
    {
      ...base,
      service,
      broker: region.broker,
      onOutcome: result => {
        outcome = result;
        metrics.gauge('featuremesh_policy_enforced', {}, result.kind === 'enforced' ? 1 : 0);
        if (result.kind === 'enforced')
          metrics.gauge('featuremesh_policy_enforced_revision', {}, result.revision);
        if (result.kind === 'enforced') health.ready('policy');
        else health.notReady('policy', result.reason);
      },
    },
    emptyState(config),
  );
  const sink = measuredSink(region.sink, metrics, systemClock);
  const sessions = region.links.map(
    ({ peer, out, link }) =>
      new LinkSession({
        ...base,
        peer,
        out: measuredOut(out, peer, metrics),
        link: measuredIn(link, peer, metrics),
        self: config.id,
        feed: region.feed,
        sink,
        tracing,
        service,
        policy: () => keeper.policy(),
        random: systemRandom,
        logger: logger.child({ peer }),
      }),
  );
  const links = () => sessions.flatMap(session => session.status());
  const work = [
    keeper.run(lifecycle.signal),
    reportLinks({ links, service, metrics, timer: systemTimer, logger }, lifecycle.signal),
  ];
  for (const session of sessions) session.start();
  lifecycle.onStop('links', async () => {
    await Promise.all(sessions.map(session => session.stop()));
    await Promise.race([Promise.all(work), systemTimer.sleep(1_000)]);
  });
  show(() => ({ region: config.id, policy: outcome, links: links() }));
}

interface AgentParts {
  readonly lifecycle: Lifecycle;
  readonly health: Health;
  readonly metrics: PrometheusMetrics;
  readonly tracing: Tracing | undefined;
  readonly logger: Logger;
  readonly region: RegionBroker;
  readonly show: (status: () => unknown) => void;
}

async function run(path: string, logger: Logger): Promise<void> {
  const config = loadRegionConfig(path);
  const lifecycle = new Lifecycle({ logger, clock: systemClock, timer: systemTimer });
  lifecycle.attach(process);
  const metrics = new PrometheusMetrics({ region: config.id, process: 'sync' });
  const tracing = await startTracing({
    environment: process.env,
    process: 'sync',
    region: config.id,
    regions: [config.id, ...config.peers.map(peer => peer.id)],
    metrics,
    logger,
    timer: systemTimer,
  });
  lifecycle.onStop('tracing', () => tracing?.stop());
  const health = new Health(['broker', 'policy']);
  let gauges = (): Promise<void> => Promise.resolve();
  let status: () => unknown = () => ({ region: config.id, links: [] });
  const server = new StatusServer({ health, metrics, gauges: () => gauges(), status: () => status() });
  lifecycle.add({
    name: 'status server',
    start: () => server.listen(config.listen.sync),
    stop: () => server.close(),
  });
  lifecycle.add({
    name: 'broker',
    startTimeoutMs: BROKER_START_MS,
    start: async () => {
      const region = await openBroker(config, logger, tracing);
      lifecycle.onStop('broker connections', () => region.close());
      health.ready('broker');
      gauges = () => setLogGauges(() => region.feedUsage(), { metrics, timer: systemTimer });
      const watch = systemTimer.every(1_000, () => {
        if (region.connected()) health.ready('broker');
        else health.notReady('broker', 'no connection to the broker');
      });
      lifecycle.onStop('broker watch', () => watch.stop());
      watchFeed(region, lifecycle);
      const show = (shown: () => unknown): void => {
        status = shown;
      };
      await runAgent(config, { lifecycle, health, metrics, tracing, logger, region, show });
    },
  });
  await lifecycle.start();
}

/** All that the agent knows of the log counts the one of its start: it ends where that was lost, and makes it anew when it is started again. */
function watchFeed(region: RegionBroker, lifecycle: Lifecycle): void {
  const watch = systemTimer.every(FEED_LOOK_MS, async () => {
    // A broker that does not answer says nothing about the log.
    if (await region.feedIsLost().catch(() => false)) lifecycle.fail('the change log was lost');
  });
  lifecycle.onStop('log watch', () => watch.stop());
}

const { values } = parseArgs({ options: { config: { type: 'string' } } });
const logger = createLogger({ process: 'sync' });
if (values.config === undefined) {
  process.stderr.write('usage: node sync/main.ts --config <region.yaml>\n');
  process.exitCode = 2;
} else {
  try {
    await run(values.config, logger);
  } catch (error) {
    logger.error({ err: error }, 'the sync agent did not start');
    process.exitCode = 1;
  }
}
