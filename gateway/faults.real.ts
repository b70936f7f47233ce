import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BREAKER_FAILURES } from './limits.ts';
import { GatewayHarness } from './testing/gateway-harness.ts';
import type { StubBehaviour } from './testing/stub-region.ts';

const ONLINE = `query ($features: [String!], $keys: JSON!) {
  online(features: $features, keys: $keys) {
    rows
    results { region group rowIndex names columns statuses source problem }
  }
}`;
/** The gateway is in us-east-1, which holds no copy of `shared`; of two copies equally far the first by name, eu-west-1, is asked. */
const MESH = {
  regions: [
    ['us-east-1', 'US'],
    ['us-west-2', 'US'],
    ['eu-west-1', 'EU'],
  ],
  groups: [
    { name: 'own', home: 'us-east-1', regions: ['us-east-1'] },
    { name: 'shared', home: 'eu-west-1', regions: ['eu-west-1', 'us-west-2'] },
    { name: 'pinned', home: 'eu-west-1', regions: ['eu-west-1'] },
  ],
  policies: [
    {
      group: 'eu-west-1/shared',
      regions: ['eu-west-1', 'us-west-2'],
      egress: 'proxy',
      readers: ['EU', 'US'],
    },
    { group: 'eu-west-1/pinned', regions: ['eu-west-1'], egress: 'proxy', readers: ['EU', 'US'] },
  ],
} as const satisfies Parameters<typeof GatewayHarness.start>[0];
const REQUEST = { features: ['own:a', 'shared:a', 'pinned:a'], keys: { key: ['k1', 'k2'] } };

let mesh: GatewayHarness;
beforeEach(async () => {
  mesh = await GatewayHarness.start(MESH);
});
afterEach(async () => {
  await mesh.stop();
  expectNoAddress(mesh);
});

/** No answer may hold an address or port of a region, nor what a region's own errors said of its inside. */
function expectNoAddress({ replies, stubs }: GatewayHarness): void {
  const ports = [...stubs.values()].map(stub => String(stub.port));
  for (const reply of replies.filter(text => !text.startsWith('# HELP'))) {
    for (const secret of [
      '127.0.0.1',
      'localhost',
      'ECONN',
      'http://',
      '10.1.2.3',
      '/srv/region',
      'stacktrace',
      ...ports,
    ])
      expect(reply).not.toContain(secret);
  }
}

function part(results: readonly { group: string }[], group: string): Record<string, unknown> {
  return { ...results.find(result => result.group === group) };
}

describe('one region down', () => {
  test('costs only what lives solely there: the replicated group comes from the other permitted copy (V4)', async () => {
    await mesh.stub('eu-west-1').stop();
    for (let round = 0; round <= BREAKER_FAILURES; round += 1) {
      const { status, json } = await mesh.graphql(ONLINE, REQUEST);
      expect(status).toBe(200);
      const { results } = json.data.online;
      expect(part(results, 'own')).toMatchObject({ region: 'us-east-1', statuses: ['PRESENT'] });
      expect(part(results, 'shared')).toMatchObject({
        region: 'us-west-2',
        columns: [['us-west-2 a k1', 'us-west-2 a k2']],
        source: { region: 'us-west-2' },
      });
      expect(part(results, 'pinned')).toMatchObject({
        columns: null,
        statuses: ['UNAVAILABLE'],
        problem: { code: 'REGION_UNAVAILABLE', region: 'eu-west-1', retryable: true },
      });
      expect(json.errors).toMatchObject([
        { path: ['online', 'results', 2], extensions: { code: 'REGION_UNAVAILABLE', region: 'eu-west-1' } },
      ]);
    }
  });

  test('over HTTP: 200 while any part was answered, else the status of the problem', async () => {
    await mesh.stub('eu-west-1').stop();
    const partial = await mesh.read(REQUEST);
    expect(partial.status).toBe(200);
    expect(part(partial.json.results, 'pinned')).toMatchObject({ statuses: ['UNAVAILABLE'], columns: null });
    const nothing = await mesh.read({ features: ['pinned:a'], keys: { key: 'k' } });
    expect(nothing.status).toBe(503);
    expect(nothing.json).toMatchObject({ code: 'REGION_UNAVAILABLE', region: 'eu-west-1', retryable: true });
  });

  test('a slice of the dead region is null in its live fields with an error; the catalogue and other slices are complete', async () => {
    await mesh.stub('eu-west-1').stop();
    const { json } = await mesh.graphql(
      '{ featureGroup(ref: "shared") { name slices { region replica rows freshness { ageMs } } } }',
    );
    expect(json.data.featureGroup).toEqual({
      name: 'shared',
      slices: [
        { region: 'eu-west-1', replica: true, rows: null, freshness: null },
        { region: 'us-west-2', replica: true, rows: 12, freshness: { ageMs: 5 } },
      ],
    });
    expect(json.errors).toMatchObject([
      {
        path: ['featureGroup', 'slices', 0],
        extensions: { code: 'REGION_UNAVAILABLE', region: 'eu-west-1' },
      },
    ]);
  });

  test('is used again once it is back', async () => {
    const eu = mesh.stub('eu-west-1');
    const keyOf = (region: string) => mesh.stubs.get(region)?.key.publicKey;
    await eu.stop();
    for (let round = 0; round < BREAKER_FAILURES; round += 1) await mesh.graphql(ONLINE, REQUEST);
    await eu.start(keyOf);
    await expect
      .poll(async () => (await mesh.read({ features: ['pinned:a'], keys: { key: 'k' } })).status, {
        timeout: 8_000,
      })
      .toBe(200);
  });

  test('all regions down: parts with problems, never NOT_FOUND (V5), and discovery goes on', async () => {
    await Promise.all([...mesh.stubs.values()].map(stub => stub.stop()));
    const { json } = await mesh.graphql(ONLINE, REQUEST);
    expect(json.data.online.results.map(result => result.statuses)).toEqual([
      ['UNAVAILABLE'],
      ['UNAVAILABLE'],
      ['UNAVAILABLE'],
    ]);
    expect(
      (await mesh.graphql('{ featureGroups { totalCount } regions { id } }')).json.data.featureGroups
        .totalCount,
    ).toBe(3);
  });
});

const WRONG: readonly (readonly [string, StubBehaviour])[] = [
  ['answers for another region', { kind: 'stamp', region: 'us-west-2' }],
  ['names another region as its source', { kind: 'source', region: 'us-west-2' }],
  ['answers 500 with an address in the body', { kind: 'status', status: 500 }],
  ['answers something that is no JSON', { kind: 'body', text: '<html>at 127.0.0.1:7400</html>' }],
  ['answers JSON of another shape', { kind: 'body', text: '{"data":{"_entities":"no"}}' }],
  [
    'leaves entities out',
    { kind: 'body', text: '{"data":{"_entities":[]},"extensions":{"region":"eu-west-1"}}' },
  ],
  ['stays silent', { kind: 'slow', ms: 5_000 }],
  [
    'says that its store failed',
    { kind: 'problem', code: 'STORE_UNAVAILABLE', detail: 'lmdb at http://127.0.0.1:7400 failed' },
  ],
  [
    'fails in words of its own',
    { kind: 'error', code: 'SOMETHING_NEW', message: 'connect ECONNREFUSED 127.0.0.1:7400' },
  ],
  [
    'reports a known code with an inner address',
    { kind: 'error', code: 'OVERLOADED', message: 'queue full at 10.1.2.3:99' },
  ],
];

test.each(WRONG)(
  'a region that %s costs its pinned part; the replicated part fails over',
  async (_, behaviour) => {
    mesh.stub('eu-west-1').behaviour = behaviour;
    const { status, json } = await mesh.graphql(ONLINE, REQUEST);
    expect(status).toBe(200);
    const { results } = json.data.online;
    expect(part(results, 'own')).toMatchObject({ statuses: ['PRESENT'] });
    expect(part(results, 'shared')).toMatchObject({ region: 'us-west-2', statuses: ['PRESENT'] });
    expect(part(results, 'pinned')).toMatchObject({ columns: null, problem: { region: 'eu-west-1' } });
    expect(json.errors).toHaveLength(1);
    expect(json.errors[0].extensions.retryable).toBe(true);
  },
);

test('an answer of another region is a security event', async () => {
  mesh.stub('eu-west-1').behaviour = { kind: 'stamp', region: 'us-west-2' };
  await mesh.read({ features: ['pinned:a'], keys: { key: 'never-logged' } });
  const line = mesh.logged.find(text => text.includes('"security":true')) ?? '';
  expect(JSON.parse(line)).toMatchObject({ asked: 'eu-west-1', stamp: 'us-west-2' });
  expect(mesh.logged.join('')).not.toContain('never-logged');
});

test('a refusal by the region itself passes with its code and does not fail over', async () => {
  mesh.stub('us-west-2').behaviour = {
    kind: 'error',
    code: 'RESIDENCY_DENIED',
    message: 'the caller is outside the readers',
  };
  mesh.stub('eu-west-1').behaviour = {
    kind: 'error',
    code: 'RESIDENCY_DENIED',
    message: 'the caller is outside the readers',
  };
  const before = [...mesh.stubs.values()].reduce((sum, stub) => sum + stub.requests.length, 0);
  const { status, json } = await mesh.read({ features: ['shared:a'], keys: { key: 'k' } });
  expect(status).toBe(403);
  expect(json).toMatchObject({ code: 'RESIDENCY_DENIED' });
  expect([...mesh.stubs.values()].reduce((sum, stub) => sum + stub.requests.length, 0)).toBe(before + 1);
});

test('an oversized answer is cut off and counts as unavailable', async () => {
  const text = `{"data":{"_entities":[{"columns":"${'x'.repeat(33 * 1024 * 1024)}"}]},"extensions":{"region":"eu-west-1"}}`;
  mesh.stub('eu-west-1').behaviour = { kind: 'body', text };
  const { status, json } = await mesh.read({ features: ['pinned:a'], keys: { key: 'k' } });
  expect([status, json.code]).toEqual([503, 'REGION_UNAVAILABLE']);
});

test('a gateway that stops finishes the reads under way and takes no new ones', async () => {
  mesh.stub('eu-west-1').behaviour = { kind: 'slow', ms: 400 };
  const underWay = mesh.read({ features: ['pinned:a'], keys: { key: 'k' } });
  await expect.poll(() => mesh.stub('eu-west-1').requests.length).toBe(1);
  const startedMs = performance.now();
  const stopped = mesh.stopGateway();
  const { status, json } = await underWay;
  expect([status, json.results[0]?.statuses]).toEqual([200, ['PRESENT']]);
  await stopped;
  // Not the keep-alive time of a connection that is idle by now.
  expect(performance.now() - startedMs).toBeLessThan(4_000);
  await expect(mesh.read({ features: ['pinned:a'], keys: { key: 'k' } })).rejects.toThrow();
});

test('the nearest copy is asked, as measured', async () => {
  const eu = mesh.stub('eu-west-1');
  eu.probeDelayMs = 80;
  await expect
    .poll(
      async () => (await mesh.read({ features: ['shared:a'], keys: { key: 'k' } })).json.results[0]?.region,
      { timeout: 8_000 },
    )
    .toBe('us-west-2');
});
