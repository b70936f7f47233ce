import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onlineAnswerSchema } from '@featuremesh/contracts/http-read';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { regionId } from '@featuremesh/domain/region-id';
import { systemClock } from '@featuremesh/runtime/clock';
import { createLogger } from '@featuremesh/runtime/logger';
import { PrometheusMetrics } from '@featuremesh/runtime/metrics';
import { RegionTokenSigner } from '@featuremesh/runtime/region-token';
import { systemTimer } from '@featuremesh/runtime/timer';
import { definitions, group, policy, record } from '@featuremesh/testkit/region/test-definitions';
import { INTERNAL_TOKEN, MESH, TestRegion } from '@featuremesh/testkit/region/test-region';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { MeshStateClient } from './catalogue/mesh-state-client.ts';
import { SavedStateFile } from './catalogue/saved-state.ts';
import { askSigner } from './execution/ask-signer.ts';
import { Gateway } from './gateway.ts';

/** A gateway of us-east-1 over two real region services; us-west-2 is named in the mesh and does not run. */
const EVERYWHERE = ['eu-west-1', 'us-east-1', 'us-west-2'].map(regionId);
let east: TestRegion;
let europe: TestRegion;
let gateway: Gateway;
let client: MeshStateClient;
let url = '';
let isEastGone = false;
/** Without it every read is planned. */
let ownToken: string | undefined = INTERNAL_TOKEN;

beforeAll(async () => {
  east = await TestRegion.start('us-east-1');
  europe = await TestRegion.start('eu-west-1');
  await east.call('POST', '/v1/admin/definitions', {
    definitions: definitions([
      group('delays', { sync: { mode: 'active-active', regions: EVERYWHERE } }),
      group('routes', { sync: { mode: 'local', regions: EVERYWHERE } }),
      group('pinned'),
    ]),
  });
  const readers = { jurisdictions: ['US', 'EU'], purposes: null };
  const origin = policy({
    name: 'stay',
    rows: 'origin',
    egress: 'proxy',
    readers,
    select: { groups: ['us-east-1/routes'], tags: [], entities: [] },
  });
  for (const document of [policy({ name: 'shared', egress: 'proxy', readers }), origin])
    await east.call('POST', '/v1/admin/policies/propose', { record: record(document, ['ben', 'cleo']) });
  const bearer = { authorization: `Bearer ${INTERNAL_TOKEN}` };
  const { entries } = (await east.call('GET', '/internal/v1/own-entries', undefined, bearer)).body;
  const imported = await europe.call('POST', '/internal/v1/entries', { peer: 'us-east-1', entries }, bearer);
  expect(imported.status).toBe(204);
  const now = { eventTimeMs: east.nowMs() - 60_000 };
  await east.put('delays', [
    { key: { airport: 'ATL' }, ...now, features: { mean: 4 } },
    { key: { airport: 'BOS' }, ...now, features: { mean: 7 } },
  ]);
  await east.put('pinned', [{ key: { airport: 'ATL' }, ...now, features: { mean: 5 } }]);
  await east.put('routes', [{ key: { airport: 'ATL' }, ...now, features: { mean: 1 } }]);
  await vi.waitFor(() =>
    europe.put('routes', [{ key: { airport: 'ATL' }, ...now, features: { mean: 2 }, origin: 'eu-west-1' }]),
  );
  await startGateway();
});

afterAll(async () => {
  await gateway.stop();
  await client.close();
  if (!isEastGone) await east.stop();
  await europe.stop();
});

/** The mesh state with the addresses that the test's regions really have. */
function withAddresses(state: MeshState): MeshState {
  const addresses: Readonly<Record<string, string>> = { 'eu-west-1': europe.url, 'us-east-1': east.url };
  const regions = state.regions.map(region => ({
    ...region,
    publicUrl: addresses[region.id] ?? 'http://127.0.0.1:1',
  }));
  return { ...state, regions };
}

async function startGateway(): Promise<void> {
  const region = regionId('us-east-1');
  client = new MeshStateClient({ region, serviceUrls: [east.url], token: () => INTERNAL_TOKEN });
  const signer = new RegionTokenSigner({
    privateKeyPem: MESH['us-east-1'].key.privateKeyPem,
    region,
    clock: systemClock,
  });
  gateway = await Gateway.create({
    region,
    ownServiceUrls: [east.url],
    meshStates: async (after, signal) => {
      const state = await client.next(after, signal);
      return state && withAddresses(state);
    },
    savedState: new SavedStateFile(join(mkdtempSync(join(tmpdir(), 'fm-gateway-')), 'state.json')),
    sign: askSigner({
      signer,
      clock: systemClock,
      own: { region, internalToken: () => INTERNAL_TOKEN },
    }),
    ownToken: () => ownToken,
    production: true,
    clock: systemClock,
    timer: systemTimer,
    metrics: new PrometheusMetrics({ region }, { processMetrics: false }),
    log: createLogger({ region }, { level: 'error' }),
  });
  url = `http://127.0.0.1:${await gateway.listen({ host: '127.0.0.1', port: 0 })}`;
  await vi.waitFor(async () => expect((await request(`${url}/health/ready`)).statusCode).toBe(200), {
    timeout: 5_000,
  });
}

async function post(path: string, body: unknown): Promise<{ status: number; json: unknown }> {
  const answer = await request(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: answer.statusCode, json: await answer.body.json() };
}

test("one read over a replicated, a pinned and a local group: each from where it may be read, in the contract's shape", async () => {
  const { status, json } = await post('/v1/online/read', {
    features: ['delays:mean', 'pinned:mean', 'routes:mean'],
    keys: { airport: ['BOS', 'ATL', 'ZZZ', 'ATL'] },
  });
  expect(status).toBe(200);
  const answer = onlineAnswerSchema.parse(json);
  const summary = answer.results.map(({ group: name, region, columns, statuses, rowIndex, problem }) => ({
    name,
    region,
    columns,
    statuses,
    rowIndex,
    code: problem?.code,
  }));
  const common = { rowIndex: [0, 1, 2, 1], code: undefined };
  expect(summary).toEqual([
    {
      ...common,
      name: 'delays',
      region: 'us-east-1',
      columns: [[7, 4, null]],
      statuses: [['PRESENT', 'PRESENT', 'NOT_FOUND']],
    },
    {
      ...common,
      name: 'pinned',
      region: 'us-east-1',
      columns: [[null, 5, null]],
      statuses: [['NOT_FOUND', 'PRESENT', 'NOT_FOUND']],
    },
    {
      ...common,
      name: 'routes',
      region: 'eu-west-1',
      columns: [[null, 2, null]],
      statuses: [['NOT_FOUND', 'PRESENT', 'NOT_FOUND']],
    },
    {
      ...common,
      name: 'routes',
      region: 'us-east-1',
      columns: [[null, 1, null]],
      statuses: [['NOT_FOUND', 'PRESENT', 'NOT_FOUND']],
    },
    {
      name: 'routes',
      region: 'us-west-2',
      columns: null,
      statuses: ['UNAVAILABLE'],
      rowIndex: [0, 1, 2, 1],
      code: 'REGION_UNAVAILABLE',
    },
  ]);
});

test('GraphQL over the same regions: live slices, a dead region null with path and code', async () => {
  const { json } = await post('/graphql', {
    query:
      '{ featureGroup(ref: "routes") { name placement { rows regions } slices { region rows freshness { ageMs } } } }',
  });
  expect(json).toMatchObject({
    data: {
      featureGroup: {
        name: 'routes',
        placement: { rows: 'origin', regions: ['eu-west-1', 'us-east-1', 'us-west-2'] },
        slices: [
          { region: 'eu-west-1', freshness: { ageMs: expect.any(Number) } },
          { region: 'us-east-1', freshness: { ageMs: expect.any(Number) } },
          { region: 'us-west-2', rows: null, freshness: null },
        ],
      },
    },
    errors: [
      {
        path: ['featureGroup', 'slices', 2],
        extensions: { code: 'REGION_UNAVAILABLE', region: 'us-west-2' },
      },
    ],
  });
});

test('a store that fails makes its copy UNAVAILABLE and the replicated group comes from the other copy', async () => {
  east.failReads(true);
  const { json } = await post('/v1/online/read', {
    features: ['delays:mean', 'pinned:mean'],
    keys: { airport: 'ATL' },
  });
  east.failReads(false);
  const [delays, pinned] = onlineAnswerSchema.parse(json).results;
  // Europe's copy holds no row yet, which is an answer; the failing store is not.
  expect(delays).toMatchObject({ region: 'eu-west-1', statuses: ['NOT_FOUND'] });
  expect(pinned).toMatchObject({
    columns: null,
    statuses: ['UNAVAILABLE'],
    problem: { code: 'STORE_UNAVAILABLE', region: 'us-east-1' },
  });
});

test('a policy change reaches the gateway by the long poll', async () => {
  await east.call('POST', '/v1/admin/definitions', { definitions: definitions([group('later')]) });
  await vi.waitFor(
    async () => {
      const { json } = await post('/graphql', { query: '{ featureGroup(ref: "later") { name } }' });
      expect(json).toEqual({ data: { featureGroup: { name: 'later' } } });
    },
    { timeout: 3_000 },
  );
});

/** Reads by HTTP and by GraphQL of every kind that the own region answers in full. */
const OWN_READS: readonly Record<string, unknown>[] = [
  { features: ['delays:mean', 'pinned:mean'], keys: { airport: ['BOS', 'ATL', 'ZZZ', 'ATL'] } },
  { features: ['pinned:mean'], keys: { airport: 'ATL' }, purpose: 'operations' },
  { features: ['delays:mean'], keys: { airport: [] } },
  { features: ['delays:mean'], keys: { airport: ['ATL'] }, maxAgeMs: 1 },
  { features: ['delays:mean'], keys: { airport: ['ATL'] }, maxAgeMs: 1, includeStale: true },
  { features: ['delays:mean', 'us-east-1/pinned@v1:mean'], keys: { airport: ['ATL'] }, consistency: 'home' },
];

test('what the own region answers in full goes there as it came, and the answer is the planned one', async () => {
  const ownReads = async () => {
    const { body } = await request(`${east.url}/metrics`);
    const counted =
      /featuremesh_http_requests_total\{[^}]*internal\/v1\/online\/read[^}]*status="200"[^}]*\} (\d+)/;
    return Number(counted.exec(await body.text())?.[1] ?? 0);
  };
  const query =
    'query ($features: [String!], $keys: JSON!, $maxAgeMs: Int, $purpose: String, $includeStale: Boolean, $consistency: JSON) { online(features: $features, keys: $keys, maxAgeMs: $maxAgeMs, purpose: $purpose, includeStale: $includeStale, consistency: $consistency) { rows results { region group as version rowIndex names columns statuses eventTimes source problem } } }';
  for (const read of OWN_READS) {
    const bodies = [
      ['/v1/online/read', read],
      ['/graphql', { query, variables: read }],
    ] as const;
    for (const [path, body] of bodies) {
      const before = await ownReads();
      const whole = await post(path, body);
      expect(await ownReads()).toBe(before + 1);
      ownToken = undefined;
      const planned = await post(path, body).finally(() => {
        ownToken = INTERNAL_TOKEN;
      });
      expect(await ownReads()).toBe(before + 1);
      expect(whole).toEqual(planned);
      expect(whole.status).toBe(200);
    }
  }
});

test('what the own region cannot answer in full is planned, whoever is wrong', async () => {
  const reads: readonly Record<string, unknown>[] = [
    { features: ['delays:nothing'], keys: { airport: 'ATL' } },
    { features: ['delays:mean'], keys: { airport: ['ATL'], other: ['a', 'b'] } },
    { features: ['delays:mean'], keys: {} },
    { features: ['delays:mean'], keys: { airport: 'ATL' }, purpose: 7 },
    { features: ['delays:mean'], keys: { airport: 'ATL' }, consistency: { after: 'nothing' } },
  ];
  for (const read of reads) {
    const asked = await post('/v1/online/read', read);
    ownToken = undefined;
    const planned = await post('/v1/online/read', read).finally(() => {
      ownToken = INTERNAL_TOKEN;
    });
    expect(asked).toEqual(planned);
  }
});

test('the own way needs the internal token', async () => {
  const body = {
    caller: { jurisdictions: 'all', purposes: 'all' },
    deadlineMs: Date.now() + 1_000,
    request: OWN_READS[1],
  };
  const path = '/internal/v1/online/read';
  expect((await east.call('POST', path, body)).status).toBe(401);
  const bearer = { authorization: `Bearer ${INTERNAL_TOKEN}` };
  expect((await east.call('POST', path, body, bearer)).body).toMatchObject({ rows: 1 });
  expect((await east.call('POST', path, { ...body, deadlineMs: 1 }, bearer)).status).toBe(204);
  // The caller's claims are judged, not the gateway's.
  const nobody = { ...body, caller: { jurisdictions: ['BR'], purposes: 'all' } };
  expect((await east.call('POST', path, nobody, bearer)).status).toBe(204);
});

test('where the own service does not answer, a copy does, and the own one is not asked twice', async () => {
  isEastGone = true;
  await east.stop();
  const { status, json } = await post('/v1/online/read', {
    features: ['delays:mean'],
    keys: { airport: 'ATL' },
  });
  expect(status).toBe(200);
  expect(onlineAnswerSchema.parse(json).results).toMatchObject([
    { region: 'eu-west-1', statuses: ['NOT_FOUND'] },
  ]);
  const metrics = await (await request(`${url}/metrics`)).body.text();
  expect(metrics).not.toMatch(/region_failures_total\{[^}]*asked="us-east-1"[^}]*code="REGION_UNAVAILABLE"/);
});
