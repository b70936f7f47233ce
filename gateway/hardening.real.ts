import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  MAX_OPERATION_ALIASES,
  MAX_OPERATION_DEPTH,
  MAX_REQUEST_BODY_BYTES,
  MAX_ROOT_FIELDS,
} from './limits.ts';
import { GatewayHarness } from './testing/gateway-harness.ts';

let mesh: GatewayHarness;
let production: GatewayHarness;
const SKETCH = {
  regions: [['us-east-1', 'US']],
  groups: [{ name: 'delays', home: 'us-east-1', joinKeys: [{ name: 'airport', type: 'string' }] }],
} as const satisfies Parameters<typeof GatewayHarness.start>[0];

beforeAll(async () => {
  mesh = await GatewayHarness.start(SKETCH);
  production = await GatewayHarness.start({ ...SKETCH, production: true });
});
afterAll(async () => {
  await mesh.stop();
  await production.stop();
});

const READ = 'query q { online(features: ["delays:a"], keys: {airport: "JFK"}) { rows } }';

test('operations that carry keys are refused over GET, also inside a fragment; others are answered', async () => {
  const get = (query: string) =>
    mesh.send(`/graphql?query=${encodeURIComponent(query)}`, {
      method: 'GET',
      headers: { 'content-type': 'application/json' },
    });
  for (const query of [
    READ,
    `query q { ...F } fragment F on Query { hidden: online(features: ["delays:a"], keys: {airport: "JFK"}) { rows } }`,
  ]) {
    const refused = await get(query);
    expect(refused.status).toBe(405);
    expect(refused.json.errors[0].extensions.code).toBe('INVALID_REQUEST');
    expect(refused.json.data).toBeUndefined();
  }
  const answered = await get('{ regions { id } }');
  expect([answered.status, answered.json.data.regions]).toEqual([200, [{ id: 'us-east-1' }]]);
  expect(mesh.stub('us-east-1').requests).toEqual([]);
});

test('deep operations, many aliases, many root fields and huge operations are refused', async () => {
  const deep = (levels: number): string =>
    levels === 0 ? 'name' : `services { selections { group { ${deep(levels - 1)} } } }`;
  const refused = [
    `{ featureGroup(ref: "delays") { ${deep(Math.ceil(MAX_OPERATION_DEPTH / 3))} } }`,
    `{ featureGroup(ref: "delays") { ${Array.from({ length: MAX_OPERATION_ALIASES + 1 }, (_, i) => `a${i}: name`).join(' ')} } }`,
    `{ ${Array.from({ length: MAX_ROOT_FIELDS + 1 }, (_, i) => `r${i}: regions { id }`).join(' ')} }`,
    `query q { ...F } fragment F on Query { ${Array.from({ length: MAX_ROOT_FIELDS + 1 }, (_, i) => `r${i}: regions { id }`).join(' ')} }`,
    `{ regions { ${'id '.repeat(6_000)} } }`,
  ];
  for (const query of refused) {
    const { status, json } = await mesh.graphql(query);
    expect([status, json.errors[0].extensions.code, json.data]).toEqual([400, 'INVALID_REQUEST', undefined]);
  }
  expect((await mesh.graphql(`{ featureGroup(ref: "delays") { ${deep(2)} } }`)).status).toBe(200);
});

test('a read that is wrong as a whole is a precise error, over GraphQL and HTTP', async () => {
  const cases: readonly (readonly [Record<string, unknown>, string, number])[] = [
    [{ features: ['delays:a'], service: 's', keys: { airport: 'JFK' } }, 'SERVICE_AND_FEATURES', 400],
    [{ features: ['nothing:a'], keys: { airport: 'JFK' } }, 'UNKNOWN_GROUP', 404],
    [{ features: ['delays:z'], keys: { airport: 'JFK' } }, 'UNKNOWN_FEATURE', 400],
    [{ service: 'nothing', keys: { airport: 'JFK' } }, 'UNKNOWN_SERVICE', 404],
    [{ features: ['delays:a'], keys: {} }, 'MISSING_KEY', 422],
    [{ features: ['delays:a'], keys: { airport: ['JFK', 'BOS'], other: ['x'] } }, 'UNEQUAL_LENGTHS', 400],
    [
      { features: ['delays:a'], keys: { airport: Array.from({ length: 1_001 }, (_, i) => `k${i}`) } },
      'TOO_MANY_ROWS',
      400,
    ],
    [
      { features: ['delays:a'], keys: { airport: 'JFK' }, context: { device: 'x' } },
      'NOT_YET_SUPPORTED',
      501,
    ],
    [
      { features: ['delays:a'], keys: { airport: 'JFK' }, consistency: { after: 'nonsense' } },
      'INVALID_POSITION',
      400,
    ],
    [{ features: ['delays:a'], keys: 'JFK' }, 'INVALID_REQUEST', 400],
    [{ features: ['delays:a'], keys: { airport: 'JFK' }, maxAgeMs: -1 }, 'INVALID_REQUEST', 400],
  ];
  const query = `query ($service: String, $features: [String!], $keys: JSON!, $context: JSON, $maxAgeMs: Int, $consistency: JSON) {
    online(service: $service, features: $features, keys: $keys, context: $context, maxAgeMs: $maxAgeMs, consistency: $consistency) { rows }
  }`;
  for (const [request, code, status] of cases) {
    const overHttp = await mesh.read(request);
    expect([overHttp.json.code, overHttp.status]).toEqual([code, status]);
    const overGraphql = await mesh.graphql(query, request);
    expect(overGraphql.json.errors[0].extensions.code).toBe(code);
  }
  expect(mesh.stub('us-east-1').requests).toEqual([]);
});

test('malformed, oversized and foreign bodies get their own codes', async () => {
  const post = (path: string, body: string, type = 'application/json') =>
    mesh.send(path, { method: 'POST', body, headers: { 'content-type': type } });
  const huge = `{"keys":"${'x'.repeat(MAX_REQUEST_BODY_BYTES)}"}`;
  for (const path of ['/v1/online/read', '/graphql']) {
    const codeOf = (reply: Awaited<ReturnType<typeof post>>) =>
      reply.json.code ?? reply.json.errors[0].extensions.code;
    const malformed = await post(path, '{"keys":');
    expect([malformed.status, codeOf(malformed)]).toEqual([400, 'MALFORMED_JSON']);
    const empty = await post(path, '');
    expect([empty.status, codeOf(empty)]).toEqual([400, 'MALFORMED_JSON']);
    const oversized = await post(path, huge);
    expect([oversized.status, codeOf(oversized)]).toEqual([413, 'BODY_TOO_LARGE']);
    const foreign = await post(path, 'keys', 'text/plain');
    expect([foreign.status, codeOf(foreign)]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
  }
  const absent = await mesh.send('/nothing', { method: 'GET' });
  expect([absent.status, absent.json.code]).toEqual([404, 'NOT_FOUND']);
  const batch = await post('/graphql', '[{"query":"{ regions { id } }"}]');
  expect(batch.status).toBe(400);
});

test('in production the schema is hidden: no introspection, no suggestions, no plans', async () => {
  const introspected = await production.graphql('{ __schema { types { name } } }');
  expect([introspected.status, introspected.json.errors[0].extensions.code]).toEqual([
    400,
    'INVALID_REQUEST',
  ]);
  const misspelt = await production.graphql('{ region { id } }');
  expect(misspelt.text).not.toContain('regions');
  expect((await mesh.graphql('{ __schema { queryType { name } } }')).json.data.__schema.queryType.name).toBe(
    'Query',
  );
  const planned = await mesh.send('/graphql', {
    method: 'POST',
    headers: { 'apollo-query-plan-experimental': 'true' },
    body: JSON.stringify({ query: '{ regions { id } }' }),
  });
  expect(planned.json.extensions).toBeUndefined();
});

test('the page for browsers is local: no scripts and no address of anybody', async () => {
  const page = await mesh.send('/graphql', {
    method: 'GET',
    headers: { accept: 'text/html', 'content-type': 'text/html' },
  });
  expect(page.status).toBe(200);
  expect(page.text).toContain('featuremesh gateway us-east-1');
  expect(page.text).not.toMatch(/<script|<link|<img|https?:/);
});

test('a bad page request is refused with its reason', async () => {
  for (const query of [
    '{ featureGroups(first: 100000) { totalCount } }',
    '{ featureGroups(after: "zzz") { totalCount } }',
  ]) {
    const { json } = await mesh.graphql(query);
    expect(json.errors).toMatchObject([{ path: ['featureGroups'], extensions: { code: 'INVALID_REQUEST' } }]);
  }
});
