import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { serviceAddress } from '@featuremesh/contracts/region-config';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { systemClock } from '@featuremesh/runtime/clock';
import { loadRegionConfig } from '@featuremesh/runtime/config-loader';
import { readInternalToken } from '@featuremesh/runtime/internal-token';
import { Lifecycle } from '@featuremesh/runtime/lifecycle';
import { createLogger, type Logger } from '@featuremesh/runtime/logger';
import { PrometheusMetrics } from '@featuremesh/runtime/metrics';
import { RegionTokenSigner } from '@featuremesh/runtime/region-token';
import { readPrivateKey } from '@featuremesh/runtime/signing';
import { systemTimer } from '@featuremesh/runtime/timer';
import { startTracing } from '@featuremesh/runtime/tracing';
import { MeshStateClient } from './catalogue/mesh-state-client.ts';
import { SavedStateFile } from './catalogue/saved-state.ts';
import { askSigner } from './execution/ask-signer.ts';
import { keptToken } from './execution/kept-token.ts';
import { Gateway } from './gateway.ts';
import { isolateFromVendor } from './plugins/vendor-isolation.ts';

async function run(path: string, log: Logger): Promise<void> {
  isolateFromVendor(process.env);
  const config = loadRegionConfig(path);
  if (config.tls !== undefined)
    throw new ProblemError(problem('NOT_YET_SUPPORTED', '`tls` of the gateway is not supported yet'));
  const region = config.id;
  const ownServiceUrls = Array.from({ length: config.services }, (_, slot) => {
    const { host, port } = serviceAddress(config, slot);
    return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  });
  const signer = new RegionTokenSigner({
    privateKeyPem: readPrivateKey(config.keys.signing),
    region,
    clock: systemClock,
  });
  const internalToken = () => readInternalToken(config.keys.internal);
  const ownToken = keptToken({ read: internalToken, clock: systemClock });
  const meshStates = new MeshStateClient({
    region,
    serviceUrls: ownServiceUrls,
    token: internalToken,
  });
  const metrics = new PrometheusMetrics({ region, process: 'gateway' });
  const tracing = await startTracing({
    environment: process.env,
    process: 'gateway',
    region,
    regions: [region, ...config.peers.map(peer => peer.id)],
    metrics,
    logger: log,
    timer: systemTimer,
  });
  const gateway = await Gateway.create({
    region,
    ownServiceUrls,
    peerServiceUrls: new Map(
      config.peers.flatMap(({ id, serviceUrl }) => (serviceUrl === undefined ? [] : [[id, serviceUrl]])),
    ),
    meshStates: meshStates.next,
    savedState: new SavedStateFile(join(config.dataDir, 'run', 'gateway-mesh-state.json')),
    sign: askSigner({ signer, clock: systemClock, own: { region, internalToken: ownToken } }),
    ownToken,
    production: process.env['NODE_ENV'] === 'production',
    clock: systemClock,
    timer: systemTimer,
    metrics,
    tracing,
    log,
  });
  const lifecycle = new Lifecycle({ logger: log, clock: systemClock, timer: systemTimer });
  lifecycle.attach(process);
  lifecycle.onStop('tracing', () => tracing?.stop());
  lifecycle.add({ name: 'mesh-state client', stop: () => meshStates.close() });
  lifecycle.add({
    name: 'gateway',
    start: async () => {
      const bound = await gateway.listen(config.listen.gateway);
      log.info({ host: config.listen.gateway.host, port: bound }, 'gateway listens');
    },
    stop: () => gateway.stop(),
  });
  await lifecycle.start();
}

const { values } = parseArgs({ options: { config: { type: 'string' }, slot: { type: 'string' } } });
const log = createLogger({
  process: 'gateway',
  ...(values.config === undefined ? {} : { config: values.config }),
});
if (values.config === undefined) {
  process.stderr.write('usage: node gateway/main.ts --config <region.yaml>\n');
  process.exitCode = 2;
} else {
  try {
    await run(values.config, log);
  } catch (error) {
    log.error({ err: error }, 'the gateway did not start');
    process.exitCode = 1;
  }
}
