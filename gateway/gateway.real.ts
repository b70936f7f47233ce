import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GatewayHarness } from './testing/gateway-harness.ts';

const ONLINE = `query ($features: [String!], $keys: JSON!) {
  online(features: $features, keys: $keys) {
    rows
    results { region group version rowIndex names columns statuses eventTimes source problem }
  }
}`;
const THREE = [
  ['us-east-1', 'US'],
  ['us-west-2', 'US'],
  ['eu-west-1', 'EU'],
] as const;
const ALL = THREE.map(([id]) => id);
const MESH = {
  regions: THREE,
  groups: [
    { name: 'delays', home: 'us-east-1', regions: ALL, description: 'Rolling delays', tags: ['demo'] },
    { name: 'pinned', home: 'us-west-2', regions: ['us-west-2'], owner: 'compliance@example.com' },
    { name: 'secret', home: 'eu-west-1', regions: ['eu-west-1'] },
    {
      name: 'traveller',
      home: 'us-east-1',
      mode: 'local',
      regions: ALL,
      joinKeys: [
        { name: 'residence', type: 'string', role: 'region' },
        { name: 'traveller', type: 'string' },
      ],
    },
  ],
  policies: [
    { group: 'us-east-1/delays', regions: ALL, egress: 'proxy' },
    { group: 'us-west-2/pinned', regions: ['us-west-2'], egress: 'in-domain' },
    { group: 'us-east-1/traveller', regions: ALL, rows: 'origin', egress: 'proxy', readers: ['US', 'EU'] },
  ],
} as const satisfies Parameters<typeof GatewayHarness.start>[0];

describe('a gateway with three regions', () => {
  let mesh: GatewayHarness;
  beforeAll(async () => {
    mesh = await GatewayHarness.start(MESH);
  });
  afterAll(async () => {
    await mesh.stop();
  });

  test('reads two groups in one request, each from a permitted region, in the asked order with duplicates', async () => {
    const keys = { key: ['k2', 'k1', 'k2', 'k3'] };
    const { status, json } = await mesh.graphql(ONLINE, { features: ['delays:a', 'pinned:b'], keys });
    expect(json.errors).toBeUndefined();
    expect(status).toBe(200);
    expect(json.data.online.rows).toBe(4);
    const [delays, pinned] = json.data.online.results;
    expect(delays).toMatchObject({
      region: 'us-east-1',
      group: 'delays',
      rowIndex: [0, 1, 0, 2],
      names: ['a'],
      columns: [['us-east-1 a k2', 'us-east-1 a k1', 'us-east-1 a k3']],
      statuses: ['PRESENT'],
      problem: null,
    });
    expect(pinned).toMatchObject({
      region: 'us-west-2',
      columns: [['us-west-2 b k2', 'us-west-2 b k1', 'us-west-2 b k3']],
    });
    expect(mesh.stub('eu-west-1').requests).toEqual([]);
  });

  test('GraphQL and HTTP give the same values', async () => {
    const request = { features: ['delays:b', 'delays:a', 'pinned:a'], keys: { key: ['x', 'y'] } };
    const overHttp = await mesh.read(request);
    const overGraphql = await mesh.graphql(ONLINE, request);
    expect(overHttp.status).toBe(200);
    const plain = overGraphql.json.data.online.results.map(result =>
      Object.fromEntries(Object.entries(result).filter(([, value]) => value !== null)),
    );
    expect(overHttp.json).toEqual({ rows: 2, results: plain });
  });

  test('rows of a region-valued key go to the region that each names, and to no other', async () => {
    const keys = { traveller: ['t1', 't2', 't3'], residence: ['eu-west-1', 'us-east-1', 'eu-west-1'] };
    const { json } = await mesh.read({ features: ['traveller:a'], keys });
    const byRegion = Object.fromEntries(json.results.map(result => [result.region, result]));
    expect(byRegion['eu-west-1']).toMatchObject({
      rowIndex: [0, -1, 1],
      columns: [['eu-west-1 a eu-west-1+t1', 'eu-west-1 a eu-west-1+t3']],
    });
    expect(byRegion['us-east-1']).toMatchObject({ rowIndex: [-1, 0, -1] });
    expect(mesh.stub('us-west-2').requests.some(({ body }) => body.includes('t1'))).toBe(false);
  });

  test('a part that policy refuses is complete with its problem; the others are answered', async () => {
    const before = mesh.stub('eu-west-1').requests.length;
    const request = { features: ['delays:a', 'secret:a'], keys: { key: 'k' } };
    const { status, json } = await mesh.graphql(ONLINE, request);
    expect(status).toBe(200);
    expect(json.errors).toBeUndefined();
    expect(json.data.online.results[1]).toMatchObject({
      group: 'secret',
      columns: null,
      statuses: ['REFUSED'],
      problem: {
        code: 'RESIDENCY_REDIRECT',
        candidates: [{ region: 'eu-west-1', publicGatewayUrl: 'https://gateway.eu-west-1.example.com' }],
      },
    });
    expect((await mesh.read(request)).status).toBe(200);
    expect(mesh.stub('eu-west-1').requests.length).toBe(before);
  });

  test('where everything is refused the answer is an error with candidates, and nobody was contacted (R7)', async () => {
    const counts = () => [...mesh.stubs.values()].map(stub => stub.requests.length);
    const before = counts();
    const request = { features: ['secret:a'], keys: { key: 'k-unseen' } };
    const overGraphql = await mesh.graphql(ONLINE, request);
    const candidates = [{ region: 'eu-west-1', publicGatewayUrl: 'https://gateway.eu-west-1.example.com' }];
    expect(overGraphql.json.errors).toMatchObject([
      { path: ['online'], extensions: { code: 'RESIDENCY_REDIRECT', retryable: false, candidates } },
    ]);
    const overHttp = await mesh.read(request);
    expect(overHttp.status).toBe(421);
    expect(overHttp.json).toMatchObject({ code: 'RESIDENCY_REDIRECT', candidates });
    expect(counts()).toEqual(before);
    expect(mesh.logged.join('')).not.toContain('k-unseen');
  });

  test('a client can neither see nor write a ticket', async () => {
    const seen = await mesh.graphql(
      '{ online(features: ["delays:a"], keys: {key: "k"}) { results { read } } }',
    );
    expect(seen.status).toBe(400);
    expect(seen.json.errors[0].extensions.code).toBe('INVALID_REQUEST');
    const written = await mesh.graphql(
      '{ _entities(representations: [{__typename: "FeatureMatrix", region: "eu-west-1", read: "0"}]) { __typename } }',
    );
    expect(written.status).toBe(400);
  });

  test('keys may be literals, aliases rename every field, and several reads fit into one operation', async () => {
    const { json } = await mesh.graphql(`{
      first: online(features: ["delays:a"], keys: {key: "k1"}) { n: rows results { where: region values: columns columns } }
      second: online(features: ["pinned:a"], keys: {key: ["k2"]}) { results { values: columns ... on FeatureMatrix { s: statuses } } }
    }`);
    expect(json.errors).toBeUndefined();
    expect(json.data).toEqual({
      first: {
        n: 1,
        results: [{ where: 'us-east-1', values: [['us-east-1 a k1']], columns: [['us-east-1 a k1']] }],
      },
      second: { results: [{ values: [['us-west-2 a k2']], s: ['PRESENT'] }] },
    });
  });

  test('slices are filled live by the regions that hold them', async () => {
    const { json } = await mesh.graphql(
      '{ featureGroup(ref: "delays") { id homeRegion placement { regions replicated } slices { region replica rows lagMs freshness { ageMs } } } }',
    );
    expect(json.errors).toBeUndefined();
    expect(json.data.featureGroup.slices).toEqual(
      ['eu-west-1', 'us-east-1', 'us-west-2'].map(region => ({
        region,
        replica: true,
        rows: 12,
        lagMs: 0,
        freshness: { ageMs: 5 },
      })),
    );
  });

  test('discovers regions and groups, filtered and by pages', async () => {
    const { json } = await mesh.graphql(`{
      regions { id jurisdiction health publicGatewayUrl knowledgeAgeMs }
      tagged: featureGroups(filter: {tag: "demo"}) { nodes { name entities { name joinKeys { name type } } features { name type } } }
      owned: featureGroups(filter: {owner: "compliance@example.com"}) { nodes { name } }
      text: featureGroups(filter: {text: "ROLLING"}) { nodes { name } }
      home: featureGroups(filter: {homeRegion: "us-east-1"}) { totalCount nodes { name } }
      entity: featureGroups(filter: {entity: "secret_entity"}) { nodes { name } }
      page: featureGroups(first: 3) { totalCount nodes { name } pageInfo { hasNextPage endCursor } }
      none: featureGroup(ref: "nothing") { id }
    }`);
    expect(json.errors).toBeUndefined();
    const { data } = json;
    expect(data.regions.map(region => region.id)).toEqual(['eu-west-1', 'us-east-1', 'us-west-2']);
    expect(data.tagged.nodes).toEqual([
      {
        name: 'delays',
        entities: [{ name: 'delays_entity', joinKeys: [{ name: 'key', type: 'string' }] }],
        features: [
          { name: 'a', type: 'string' },
          { name: 'b', type: 'string' },
        ],
      },
    ]);
    const names = (page: { readonly nodes: readonly { readonly name: string }[] }) =>
      page.nodes.map(node => node.name);
    expect([names(data.owned), names(data.text), names(data.entity)]).toEqual([
      ['pinned'],
      ['delays'],
      ['secret'],
    ]);
    expect([data.home.totalCount, names(data.home)]).toEqual([2, ['delays', 'traveller']]);
    expect(names(data.page)).toEqual(['delays', 'pinned', 'secret']);
    expect(data.page.pageInfo.hasNextPage).toBe(true);
    expect(data.none).toBeNull();
    const next = await mesh.graphql(
      'query ($after: String) { featureGroups(first: 3, after: $after) { nodes { name } pageInfo { hasNextPage } } }',
      {
        after: data.page.pageInfo.endCursor,
      },
    );
    expect(next.json.data.featureGroups).toEqual({
      nodes: [{ name: 'traveller' }],
      pageInfo: { hasNextPage: false },
    });
  });

  test('every request to a region was signed, for that region, for those tickets, once each', () => {
    for (const stub of mesh.stubs.values()) {
      expect(stub.faults).toEqual([]);
      for (const { claims } of stub.requests) expect(claims.gatewayRegion).toBe('us-east-1');
    }
    expect(mesh.stub('us-east-1').requests.length).toBeGreaterThan(3);
  });

  test('health, readiness, route and metrics are served', async () => {
    expect((await mesh.send('/health/live', { method: 'GET' })).status).toBe(200);
    expect((await mesh.send('/health/route', { method: 'GET' })).json).toEqual({
      state: 'active',
      weight: 100,
    });
    const metrics = await mesh.send('/metrics', { method: 'GET' });
    expect(metrics.text).toContain('featuremesh_gateway_region_seconds');
  });
});
