import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FmeshProcess, startFmesh } from '@featuremesh/cli/testing/fmesh-process';
import { systemClock } from '@featuremesh/runtime/clock';
import { METRIC_LABELS } from '@featuremesh/runtime/metric-labels';
import { LIBRARY_METRICS, METRICS, type MetricDefinition } from '@featuremesh/runtime/metric-names';
import { systemRandom } from '@featuremesh/runtime/random';
import { definitions, group, policy, record } from '@featuremesh/testkit/region/test-definitions';
import { OFFICERS } from '@featuremesh/testkit/region/test-region';
import { type CollectedSpan, OtlpCollector } from '@featuremesh/testkit/telemetry/otlp-collector';
import { parsePrometheus, type Scrape } from '@featuremesh/testkit/telemetry/prometheus-text';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type PreparedRegion, prepareRegions } from './prepare-regions.ts';
import { freeMeshPortBase, patienceMs, testProfile } from './testing/test-profile.ts';
import { TestStores } from './testing/test-stores.ts';

/** Two real regions with every exporter on: spans to a collector and to standard output, metrics, and logs at their lowest level. */
const SLOW_MS = patienceMs(120_000);
const WITHIN_20_S = { timeout: patienceMs(20_000), interval: 50 };
const REGIONS = ['us-east-1', 'eu-west-1'] as const;
/** Stands in every key and value that the tests send; nothing of telemetry may hold it. */
const MARK = 'canary7f3a9c';
const dataDir = mkdtempSync(join(tmpdir(), 'fm-telemetry-'));
const running: FmeshProcess[] = [];
let collector: OtlpCollector;
let regions: readonly PreparedRegion[];
let stores: TestStores;

interface Reply {
  readonly status: number;
  /** What JSON.parse gives: the tests look into answers of every shape. */
  readonly body: ReturnType<typeof JSON.parse>;
}

beforeAll(async () => {
  collector = await OtlpCollector.start();
  Object.assign(process.env, {
    OTEL_TRACES_EXPORTER: 'otlp,console',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_TIMEOUT: '500',
    OTEL_TRACES_SAMPLER: 'parentbased_always_on',
    OTEL_BSP_SCHEDULE_DELAY: '100',
    OTEL_BSP_MAX_QUEUE_SIZE: '512',
    OTEL_METRICS_EXPORTER: 'otlp',
    FEATUREMESH_LOG_LEVEL: 'debug',
  });
  const portBase = await freeMeshPortBase();
  stores = await TestStores.start({ dataDir, regions: REGIONS, portBase });
  regions = await prepareRegions({
    dataDir,
    regions: [
      { id: 'us-east-1', jurisdiction: 'US', location: 'here' },
      { id: 'eu-west-1', jurisdiction: 'EU', location: 'there' },
    ],
    portBase,
    storeOf: stores.storeOf,
    officers: Object.entries(OFFICERS).map(([id, { key, roles }]) => ({
      id,
      publicKey: key.publicKey,
      roles,
    })),
    wan: 'off',
    tools: { clock: systemClock, random: systemRandom },
  });
  running.push(
    ...regions.map(({ configPath }) => startFmesh(['region', 'serve', '--config', configPath], dataDir)),
  );
  await Promise.all(running.map(one => one.saying(': ready;')));
  await bringIntoForce();
}, SLOW_MS);

afterAll(async () => {
  for (const one of running) one.child.kill('SIGTERM');
  await Promise.all(running.map(one => one.ended));
  await collector.close();
  await stores.stop();
  rmSync(dataDir, { recursive: true, force: true });
}, SLOW_MS);

const region = (id: (typeof REGIONS)[number]): PreparedRegion => {
  const found = regions.find(each => each.id === id);
  if (found === undefined) throw new Error(`no region ${id}`);
  return found;
};
const service = (id: (typeof REGIONS)[number]): string => region(id).config.publicUrl;
const gateway = (id: (typeof REGIONS)[number]): string => region(id).config.publicGatewayUrl;

async function send(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : text };
}

async function bringIntoForce(): Promise<void> {
  const home = service('us-east-1');
  const sync = { mode: 'active-active', regions: [...region('us-east-1').config.peers.map(({ id }) => id)] };
  const everywhere = [region('us-east-1').config.id, ...sync.regions];
  const groups = [
    group('delays', {
      sync: { mode: 'active-active', regions: everywhere },
      features: { mean: 'float64?', note: 'string?' },
    }),
    group('pinned', { features: { note: 'string?' } }),
  ];
  expect(await send(`${home}/v1/admin/definitions`, { definitions: definitions(groups) })).toMatchObject({
    status: 200,
  });
  const shared = policy({
    name: 'shared',
    allowed: { regions: everywhere, jurisdictions: [] },
    egress: 'proxy',
  });
  const proposal = { record: record(shared, ['ben', 'cleo']) };
  expect(await send(`${home}/v1/admin/policies/propose`, proposal)).toMatchObject({ status: 200 });
  const row = {
    key: { airport: 'first' },
    eventTime: '2026-01-01T00:00:00Z',
    features: { mean: 1, note: 'a' },
  };
  await vi.waitFor(async () => expect((await write('us-east-1', [row])).status).toBe(200), WITHIN_20_S);
  await vi.waitFor(async () => expect(await statusIn('eu-west-1', 'first')).toBe('PRESENT'), WITHIN_20_S);
}

function write(
  id: (typeof REGIONS)[number],
  rows: readonly unknown[],
  headers: Record<string, string> = {},
): Promise<Reply> {
  return send(`${service(id)}/v1/groups/delays/rows`, { rows }, headers);
}

async function statusIn(id: (typeof REGIONS)[number], airport: string): Promise<unknown> {
  const { body } = await send(`${service(id)}/v1/online/read`, {
    features: ['delays:mean'],
    keys: { airport },
  });
  return body.results?.[0]?.statuses?.flat()[0] ?? body.code;
}

const newTrace = (): string => randomBytes(16).toString('hex');
const header = (traceId: string, flags = '01') => ({
  traceparent: `00-${traceId}-00f067aa0ba902b7-${flags}`,
});
const spansOf = (traceId: string): readonly CollectedSpan[] =>
  collector.spans().filter(span => span.traceId === traceId);

/** The names from the root down to `last`, each with its process, along the parents. */
function path(spans: readonly CollectedSpan[], last: string): readonly string[] {
  const names: string[] = [];
  for (
    let at = spans.find(({ name }) => name === last);
    at !== undefined;
    at = spans.find(({ spanId }) => spanId === at?.parentSpanId)
  )
    names.unshift(`${at.resource['featuremesh.region']} ${at.resource['featuremesh.process']} ${at.name}`);
  return names;
}

test('one trace leads from a gateway over a region to its store, by HTTP and by GraphQL', async () => {
  const [byHttp, byGraphql] = [newTrace(), newTrace()];
  const read = { features: ['delays:mean'], keys: { airport: ['first', 'none'] } };
  expect(await send(`${gateway('eu-west-1')}/v1/online/read`, read, header(byHttp))).toMatchObject({
    status: 200,
  });
  const operation = {
    query: 'query($k: JSON!) { online(features: ["delays:mean"], keys: $k) { results { statuses } } }',
    variables: { k: read.keys },
  };
  const answer = await send(`${gateway('eu-west-1')}/graphql`, operation, header(byGraphql));
  expect(answer.body.data.online.results[0].statuses.flat()).toContain('PRESENT');
  for (const traceId of [byHttp, byGraphql]) {
    await expect.poll(() => spansOf(traceId).length, { timeout: patienceMs(5_000) }).toBe(4);
    expect(path(spansOf(traceId), 'store.read')).toEqual([
      'eu-west-1 gateway gateway.request',
      'eu-west-1 gateway gateway.ask',
      'eu-west-1 service service.request',
      'eu-west-1 service store.read',
    ]);
  }
  const stored = spansOf(byHttp).find(({ name }) => name === 'store.read');
  expect(stored?.attributes).toEqual({
    'featuremesh.group': expect.stringMatching(/^[a-z2-7]{16}$/),
    'featuremesh.version': 1,
    'featuremesh.rows': 2,
  });
});

test("one trace leads from a write over the log and the link to the peer's readers", async () => {
  const traceId = newTrace();
  const row = { key: { airport: 'traced' }, eventTime: '2026-01-02T00:00:00Z', features: { mean: 2 } };
  expect(await write('us-east-1', [row], header(traceId))).toMatchObject({ status: 200 });
  await expect
    .poll(() => path(spansOf(traceId), 'projector.apply'), { timeout: patienceMs(10_000) })
    .toEqual([
      'us-east-1 service service.request',
      'us-east-1 service log.commit',
      'us-east-1 service log.append',
      'us-east-1 sync link.export',
      'eu-west-1 sync link.import',
      'eu-west-1 service projector.apply',
    ]);
  expect(path(spansOf(traceId), 'store.apply')).toEqual([
    'us-east-1 service service.request',
    'us-east-1 service log.commit',
    'us-east-1 service store.apply',
  ]);
});

test('writes that share a batch are linked to it, and what the head did not sample is nowhere', async () => {
  const traceIds = Array.from({ length: 16 }, newTrace);
  const unsampled = newTrace();
  const row = (at: number) => ({
    key: { airport: `batch-${at}` },
    eventTime: '2026-01-03T00:00:00Z',
    features: { mean: at },
  });
  await Promise.all([
    ...traceIds.map((traceId, at) => write('us-east-1', [row(at)], header(traceId))),
    write('us-east-1', [row(-1)], header(unsampled, '00')),
  ]);
  await expect.poll(() => statusIn('eu-west-1', 'batch--1'), { timeout: patienceMs(10_000) }).toBe('PRESENT');
  const reached = (name: string): readonly string[] => {
    const spans = collector.spans().filter(span => span.name === name);
    const named = new Set(
      spans.flatMap(span => [span.traceId, ...(span.links ?? []).map(link => link.traceId)]),
    );
    return traceIds.filter(traceId => named.has(traceId));
  };
  await expect.poll(() => reached('log.commit').length, { timeout: patienceMs(5_000) }).toBe(traceIds.length);
  await expect.poll(() => reached('link.import').length, { timeout: patienceMs(5_000) }).toBeGreaterThan(0);
  for (const { links = [] } of collector.spans()) expect(links.length).toBeLessThanOrEqual(16);
  expect(spansOf(unsampled)).toEqual([]);
  expect(collector.bodies.some(body => body.includes(unsampled))).toBe(false);
});

/** Keys and values that look like much that telemetry is made of, each with the mark. */
const canaries = fc.oneof(
  fc.constant(MARK),
  fc.string({ unit: 'grapheme', maxLength: 40 }).map(text => `${text}${MARK}`),
  fc.constantFrom(
    `eu-west-1${MARK}`,
    `${MARK}@example.com`,
    `/v1/groups/${MARK}/rows`,
    `INTERNAL ${MARK}`,
    `"}${MARK}{"`,
    `00-${MARK}`,
    `${MARK}\n# HELP x`,
  ),
);

/** Everything a client can say, right and wrong, with the canary in every place that takes text. */
async function sayEverywhere(canary: string): Promise<void> {
  const row = {
    key: { airport: canary },
    eventTime: '2026-02-01T00:00:00Z',
    features: { mean: 1, note: canary },
  };
  const rows = '/v1/groups/delays/rows';
  const marked = {
    'idempotency-key': `${MARK}-${systemRandom.base32(8)}`,
    tracestate: `${MARK}=${MARK}`,
    baggage: `user=${MARK}`,
    'user-agent': MARK,
    ...header(newTrace()),
  };
  const read = { features: ['delays:mean', 'delays:note'], keys: { airport: [canary, 'first'] } };
  const query =
    'query($k: JSON!) { online(features: ["delays:note"], keys: $k) { results { columns problem } } }';
  const named = `query ${MARK}($k: JSON!) { ${MARK}: online(features: ["delays:note"], keys: $k) { rows } }`;
  const inText = JSON.stringify(canary).replaceAll('\\', '\\\\');
  const literal = `{ online(features: ["delays:note"], keys: {airport: [${JSON.stringify(MARK)}]}, purpose: ${inText.length}) { rows } }`;
  const escaped = encodeURIComponent(canary);
  const bad = [
    { ...row, key: { [canary]: canary } },
    { ...row, features: { mean: canary } },
    { ...row, eventTime: canary },
  ];
  const s = service('us-east-1');
  const g = gateway('eu-west-1');
  const ndjson = { 'content-type': 'application/x-ndjson' };
  const requests: [string, unknown, Record<string, string>?][] = [
    [`${s}${rows}`, { rows: [row, ...bad] }, marked],
    [`${s}${rows}`, { rows: [row] }, { traceparent: `00-${MARK}` }],
    [`${s}${rows}?onReject=${escaped}`, { rows: [row] }],
    [`${s}${rows}`, `${JSON.stringify(row)}\n{"key": ${MARK}\n`, ndjson],
    [`${s}${rows}`, `{"rows": [${MARK}`],
    [`${s}/v1/groups/${escaped}/rows`, { rows: [row] }],
    [`${s}/${escaped}`, { rows: [row] }],
    [`${s}/graphql`, { query, variables: { k: read.keys } }, { authorization: `Bearer ${MARK}` }],
    ...[s, g].flatMap((url): typeof requests => [
      [`${url}/v1/online/read`, read, marked],
      [`${url}/v1/online/read`, { ...read, features: [`delays:${canary}`, canary] }],
      [`${url}/v1/online/read`, { ...read, keys: { [canary]: canary }, purpose: canary.slice(0, 99) }],
      [`${url}/v1/online/read`, { ...read, consistency: { after: canary } }],
      [`${url}/v1/online/read`, `{"keys": ${MARK}`],
    ]),
    [`${g}/graphql`, { query, variables: { k: read.keys } }, marked],
    [`${g}/graphql`, { query: named, operationName: MARK, variables: { k: read.keys } }],
    [`${g}/graphql`, { query: literal }],
    [`${g}/graphql`, { query: `{ ${MARK} }`, variables: { k: canary } }],
    [`${g}/graphql`, { query, variables: { k: canary } }],
    [`${g}/graphql?query=${escaped}`, { query }],
  ];
  await Promise.all(requests.map(([url, body, headers]) => send(url, body, headers)));
}

/** Ways in which text may come to stand in telemetry. */
const disguises = [
  MARK,
  Buffer.from(MARK).toString('hex'),
  // Of base64 what does not depend on where the text begins.
  ...[0, 1, 2].map(shift =>
    Buffer.from(`${'x'.repeat(shift)}${MARK}`)
      .toString('base64')
      .slice(shift === 0 ? 0 : 4, 12),
  ),
  encodeURIComponent(MARK),
];

function holding(texts: ReadonlyMap<string, string>): readonly string[] {
  return [...texts].flatMap(([where, text]) => {
    const found = disguises.find(disguise => text.toLowerCase().includes(disguise.toLowerCase()));
    if (found === undefined) return [];
    const at = text.toLowerCase().indexOf(found.toLowerCase());
    return [`${where}: …${text.slice(Math.max(0, at - 200), at + 100)}…`];
  });
}

/** Not the commit logs of Cassandra, which are what it keeps rows in. */
function logTexts(): ReadonlyMap<string, string> {
  const files = readdirSync(dataDir, { recursive: true, encoding: 'utf8' }).filter(
    name => /\.log(\.\d+)?$/.test(name) && !/\/data\/commitlog\//.test(name),
  );
  return new Map(files.map(name => [name, readFileSync(join(dataDir, name), 'utf8')]));
}

async function metricTexts(): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const { id, config } of regions) {
    const { sync } = config.listen;
    const addresses = {
      service: config.publicUrl,
      gateway: config.publicGatewayUrl,
      sync: `http://${sync.host}:${sync.port}`,
    };
    for (const [name, url] of Object.entries(addresses))
      texts.set(`${id} ${name}`, await (await fetch(`${url}/metrics`)).text());
  }
  return texts;
}

test(
  'no span, metric or log line holds a key or a value, whatever is asked',
  async () => {
    const before = collector.bodies.length;
    await fc.assert(
      fc.asyncProperty(canaries, async canary => {
        await sayEverywhere(canary);
      }),
      { numRuns: 12 },
    );
    expect(await statusIn('eu-west-1', MARK)).toBe('PRESENT');
    const last = newTrace();
    await send(
      `${gateway('eu-west-1')}/v1/online/read`,
      { features: ['delays:mean'], keys: { airport: MARK } },
      header(last),
    );
    await expect.poll(() => spansOf(last).length, { timeout: patienceMs(5_000) }).toBe(4);
    expect(collector.bodies.length).toBeGreaterThan(before + 5);
    const spans = new Map(collector.bodies.map((body, at) => [`span body ${at}`, body.toString('utf8')]));
    const logs = logTexts();
    expect([...logs.keys()].join()).toMatch(/service-0.*|gateway.*/);
    expect([...logs.values()].join('')).toContain('request answered');
    expect([...logs.values()].join('')).toContain('OTEL_METRICS_EXPORTER is not used');
    expect(holding(spans)).toEqual([]);
    expect(holding(logs)).toEqual([]);
    expect(holding(await metricTexts())).toEqual([]);
    // The search itself finds what it should.
    expect(holding(new Map([['planted', Buffer.from(`a ${MARK} b`).toString('base64')]]))).toHaveLength(1);
    for (const span of collector.spans()) {
      expect(span.scope).toBe('featuremesh');
      expect(span.events ?? []).toEqual([]);
      expect(span.status?.message ?? '').toBe('');
    }
  },
  SLOW_MS,
);

/** Metrics without a sample in a healthy mesh: each counts something that has gone wrong. */
const SILENT_WHEN_WELL = new Set([
  'featuremesh_rows_pending_total',
  'featuremesh_writes_refused_total',
  'featuremesh_read_problems_total',
  'featuremesh_gateway_region_failures_total',
  'featuremesh_link_snapshots_total',
  'featuremesh_spans_dropped_total',
  // No group of this mesh has a retention.
  'featuremesh_rows_swept_total',
  'featuremesh_rows_purged_total',
]);

test('each process exposes the metrics that the catalogue lists for it, and no other, in valid text with bounded labels', async () => {
  const read = { features: ['delays:mean'], keys: { airport: 'first' } };
  const row = { key: { airport: 'back' }, eventTime: '2026-03-01T00:00:00Z', features: { mean: 1 } };
  expect(await write('eu-west-1', [row, { key: {} }])).toMatchObject({ status: 207 });
  await expect.poll(() => statusIn('us-east-1', 'back'), { timeout: patienceMs(10_000) }).toBe('PRESENT');
  for (const id of REGIONS)
    for (const url of [service(id), gateway(id)])
      expect(await send(`${url}/v1/online/read`, read)).toMatchObject({ status: 200 });
  const texts = await metricTexts();
  expect(texts.size).toBe(6);
  const scrapes = new Map<string, Scrape>([...texts].map(([who, text]) => [who, parsePrometheus(text)]));
  for (const [who, { types, samples }] of scrapes) {
    const process = who.split(' ')[1] ?? '';
    const listed = Object.entries<MetricDefinition>(METRICS).filter(([, { processes }]) =>
      processes.some(each => each === process),
    );
    const names = [...listed.map(([name]) => name), ...LIBRARY_METRICS];
    expect([...types.keys()].toSorted(), who).toEqual(names.toSorted());
    for (const [name, { kind, labels }] of listed) {
      expect(types.get(name)).toBe(kind);
      const mine = samples.filter(({ metric }) => metric === name);
      if (!SILENT_WHEN_WELL.has(name)) expect(mine.length, `${who} ${name}`).toBeGreaterThan(0);
      const context = process === 'service' ? ['region', 'process', 'slot'] : ['region', 'process'];
      const permitted = new Set<string>([...labels, ...context, 'le']);
      for (const sample of mine)
        expect(Object.keys(sample.labels).filter(label => !permitted.has(label))).toEqual([]);
      for (const label of labels) {
        const { values } = METRIC_LABELS[label];
        for (const sample of mine) {
          const value = sample.labels[label] ?? '';
          if (values.kind === 'one-of') expect([...values.values, 'other']).toContain(value);
        }
      }
    }
  }
  const value = (who: string, name: string, labels: Record<string, string> = {}): number | undefined =>
    scrapes
      .get(who)
      ?.samples.find(
        sample => sample.metric === name && Object.entries(labels).every(([k, v]) => sample.labels[k] === v),
      )?.value;
  const fed = value('us-east-1 sync', 'featuremesh_feed_bytes') ?? 0;
  expect(fed).toBeGreaterThan(0);
  expect(value('us-east-1 sync', 'featuremesh_feed_limit_bytes')).toBeGreaterThan(fed);
  expect(value('us-east-1 sync', 'featuremesh_policy_enforced')).toBe(1);
  expect(value('eu-west-1 sync', 'featuremesh_link_rows_total', { direction: 'in' })).toBeGreaterThan(0);
  expect(value('eu-west-1 sync', 'featuremesh_link_group_delay_seconds')).toBeLessThan(60);
  expect(value('eu-west-1 service', 'featuremesh_projector_backlog')).toBe(0);
  expect(
    value('eu-west-1 service', 'featuremesh_replication_lag_seconds', { peer: 'us-east-1' }),
  ).toBeGreaterThan(0);
  expect(value('eu-west-1 service', 'featuremesh_policy_age_seconds', { home: 'us-east-1' })).toBeLessThan(
    60,
  );
  const database = testProfile() === 'full' ? 'registry' : 'online';
  expect(value('eu-west-1 service', 'featuremesh_store_bytes', { database })).toBeGreaterThan(4_096);
  expect(value('eu-west-1 gateway', 'featuremesh_gateway_region_down', { asked: 'us-east-1' })).toBe(0);
  expect(value('us-east-1 service', 'featuremesh_rows_accepted_total')).toBeGreaterThan(16);
});

test('a collector that is away or hangs costs answers nothing: the queue is bounded and what is lost is counted', async () => {
  const read = { features: ['delays:mean'], keys: { airport: 'first' } };
  const dropped = async (): Promise<readonly string[]> => {
    const { samples } = parsePrometheus((await metricTexts()).get('eu-west-1 service') ?? '');
    return samples
      .filter(({ metric, value }) => metric === 'featuremesh_spans_dropped_total' && value > 0)
      .map(({ labels }) => labels['reason'] ?? '')
      .toSorted();
  };
  const readMany = async (): Promise<void> => {
    const statuses = new Set<number>();
    for (let turn = 0; turn < 20; turn += 1) {
      const answers = Array.from({ length: 40 }, () =>
        send(`${service('eu-west-1')}/v1/online/read`, read, header(newTrace())),
      );
      for (const { status } of await Promise.all(answers)) statuses.add(status);
    }
    expect([...statuses]).toEqual([200]);
  };
  await collector.close();
  await readMany();
  await expect.poll(dropped, { timeout: patienceMs(5_000) }).toContain('export-failed');
  collector.isSilent = true;
  await collector.open();
  await readMany();
  await expect.poll(dropped, { timeout: patienceMs(5_000) }).toEqual(['export-failed', 'queue-full']);
  collector.isSilent = false;
  const traceId = newTrace();
  await expect
    .poll(
      async () => {
        await send(`${service('eu-west-1')}/v1/online/read`, read, header(traceId));
        return spansOf(traceId).length;
      },
      { timeout: patienceMs(10_000) },
    )
    .toBeGreaterThan(0);
});
