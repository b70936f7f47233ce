import { ProblemError, problem } from '@featuremesh/domain/problem';
import { OtlpCollector } from '@featuremesh/testkit/telemetry/otlp-collector';
import { trace } from '@opentelemetry/api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger } from './logger.ts';
import { PrometheusMetrics } from './metrics.ts';
import { systemTimer } from './timer.ts';
import { startTracing, type Tracing } from './tracing.ts';

const MARK = 'canary5d21';
const metrics = new PrometheusMetrics({ process: 'service' }, { processMetrics: false });
const logged: string[] = [];
let collector: OtlpCollector;
let tracing: Tracing;

beforeAll(async () => {
  collector = await OtlpCollector.start();
  Object.assign(process.env, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_BSP_SCHEDULE_DELAY: '20',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
  });
  const started = await startTracing({
    environment: process.env,
    process: 'service',
    region: 'us-east-1',
    slot: 1,
    regions: ['us-east-1', 'eu-west-1'],
    metrics,
    logger: createLogger({}, { level: 'debug', stream: { write: line => void logged.push(line) } }),
    timer: systemTimer,
  });
  if (started === undefined) throw new Error('tracing is off');
  tracing = started;
});

afterAll(() => collector.close());

/** What arrived by now, as text: protobuf holds names and values as they are. */
async function arrived(text: string): Promise<string> {
  await expect
    .poll(() => Buffer.concat(collector.bodies).toString('latin1'), { timeout: 5_000 })
    .toContain(text);
  return Buffer.concat(collector.bodies).toString('latin1');
}

test('spans arrive by protobuf with their resource; a rejection marks its span and passes on without its text', async () => {
  const root = tracing.begin('service.request', undefined, { 'http.route': '/graphql' });
  const failing = tracing.run(root, () =>
    tracing.inside('store.read', { 'featuremesh.rows': 3, 'featuremesh.region': 'mars' }, async () => {
      expect(tracing.traceparent()).not.toBe(root.traceparent);
      expect(tracing.traceparent()?.slice(0, 36)).toBe(root.traceparent.slice(0, 36));
      throw new ProblemError(problem('STORE_UNAVAILABLE', `no row of ${MARK}`));
    }),
  );
  await expect(failing).rejects.toThrow('STORE_UNAVAILABLE');
  expect(tracing.traceparent()).toBeUndefined();
  root.end();
  const bytes = await arrived('service.request');
  for (const held of ['store.read', 'STORE_UNAVAILABLE', 'us-east-1/service/1', 'deployment.environment'])
    expect(bytes).toContain(held);
  for (const absent of [MARK, 'mars', 'no row of', 'process.command', 'host.name'])
    expect(bytes).not.toContain(absent);
});

test("other libraries' spans do not leave, whatever they hold", async () => {
  const foreign = trace
    .getTracer('@apollo/gateway')
    .startSpan(`query ${MARK}`, { attributes: { 'graphql.document': MARK } });
  foreign.recordException(new Error(MARK));
  foreign.end();
  tracing.begin('gateway.request', undefined, {}).end();
  expect(await arrived('gateway.request')).not.toContain(MARK);
});

test('what is not sampled makes no spans behind it, and passes the decision on', async () => {
  const span = tracing.begin(
    'service.request',
    '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00',
    {},
  );
  expect(span.isSampled).toBe(false);
  await tracing.run(span, async () => {
    expect(tracing.sampledTrace()).toBeUndefined();
    expect(tracing.traceparent()).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-.*-00$/);
    await tracing.inside('log.append', {}, async () => expect(tracing.traceparent()).toBe(span.traceparent));
  });
  expect(tracing.follow('link.import', [span.traceparent, undefined, MARK], {})).toBeUndefined();
});

test('what bundles many follows the first and is linked to a bounded number of the others, each once', async () => {
  const writes = Array.from({ length: 40 }, () => tracing.begin('log.append', undefined, {}));
  const traces = writes.map(({ traceparent }) => traceparent);
  const batch = tracing.follow('link.export', [undefined, ...traces, ...traces], { 'featuremesh.rows': 40 });
  expect(batch?.traceparent.slice(0, 36)).toBe(traces[0]?.slice(0, 36));
  batch?.end();
  expect(await arrived('link.export')).toContain('featuremesh.links_left_out');
});

test('the end hands over what waits, and waits no longer than a bound where the collector hangs', async () => {
  tracing.begin('projector.apply', undefined, {}).end();
  await arrived('projector.apply');
  expect(await metrics.text()).toMatch(/featuremesh_spans_exported_total\{process="service"\} [1-9]/);
  collector.isSilent = true;
  tracing.begin('link.import', undefined, {}).end();
  const startedMs = performance.now();
  await tracing.stop();
  expect(performance.now() - startedMs).toBeLessThan(4_000);
  expect(Buffer.concat(collector.bodies).toString('latin1')).toContain('link.import');
  expect(logged.join('')).toContain('tracing is on');
});
