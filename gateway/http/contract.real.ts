import { sendRaw } from '@featuremesh/testkit/fuzz/raw-http';
import {
  buildClientSchema,
  buildSchema,
  type GraphQLSchema,
  getIntrospectionQuery,
  isObjectType,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GatewayHarness } from '../testing/gateway-harness.ts';

const REGIONS = ['us-east-1', 'us-west-2', 'eu-west-1'];
/** What clients rely on (the outer contract): types, fields, arguments and defaults. More may be there, nothing of this may go. */
const PROMISED = buildSchema(`
  scalar JSON
  type Query {
    regions: [Region!]!
    featureGroups(filter: FeatureGroupFilter, first: Int = 50, after: String): FeatureGroupConnection!
    featureGroup(ref: String!): FeatureGroup
    featureServices(filter: FeatureServiceFilter, first: Int = 50, after: String): FeatureServiceConnection!
    featureService(ref: String!): FeatureService
    online(service: String, features: [String!], keys: JSON!, context: JSON, maxAgeMs: Int, maxLagMs: Int, consistency: JSON, purpose: String, includeStale: Boolean, vectorsAs: String): OnlineAnswer!
  }
  type Region { jurisdiction: String!  cloud: String!  health: String!  knowledgeAgeMs: Float  publicGatewayUrl: String! }
  type FeatureGroup {
    id: ID!  homeRegion: String!  name: String!  version: Int!  revision: Int!  owner: String  tags: [String!]!  description: String
    entities: [Entity!]!  features: [Feature!]!  maxAgeMs: Float  placement: Placement!  inputs: [FeatureGroup!]!  services: [FeatureService!]!
    slices: [FeatureSlice!]!
  }
  type FeatureSlice { region: String!  group: ID!  replica: Boolean!  freshness: Freshness  rows: Float  lagMs: Float }
  type OnlineAnswer { rows: Int!  results: [FeatureMatrix!]! }
  type FeatureMatrix {
    region: String!  group: ID!  as: String  version: Int!  rowIndex: [Int!]
    names: [String!]  columns: JSON  statuses: JSON  eventTimes: JSON  source: JSON  problem: JSON
  }
  input FeatureGroupFilter { text: String }
  input FeatureServiceFilter { name: String }
  type FeatureGroupConnection { nodes: [FeatureGroup!]! }
  type FeatureServiceConnection { nodes: [FeatureService!]! }
  type FeatureService { name: String! }
  type Entity { name: String! }
  type Feature { name: String! }
  type Placement { regions: [String!]! }
  type Freshness { ageMs: Float }
`);

let mesh: GatewayHarness;

beforeAll(async () => {
  mesh = await GatewayHarness.start({
    regions: [
      ['us-east-1', 'US'],
      ['us-west-2', 'US'],
      ['eu-west-1', 'EU'],
    ],
    groups: [
      {
        name: 'delays',
        home: 'us-east-1',
        regions: REGIONS,
        tags: ['demo'],
        owner: 'ops@example.com',
        description: 'Late flights',
      },
      { name: 'twin', home: 'us-west-2', regions: ['us-west-2'] },
      { name: 'twin', home: 'eu-west-1', regions: ['eu-west-1'] },
    ],
    policies: [
      { group: 'us-east-1/delays', regions: REGIONS, egress: 'proxy' },
      { group: 'us-west-2/twin', regions: ['us-west-2'], egress: 'proxy' },
    ],
  });
});

afterAll(() => mesh.stop());

/** `Type.field(argument: type = default): type` of every field that a schema's object types have. */
function linesOf(schema: GraphQLSchema): ReadonlySet<string> {
  const types = Object.values(schema.getTypeMap()).filter(
    type => isObjectType(type) && !type.name.startsWith('__'),
  );
  return new Set(
    types.flatMap(type =>
      isObjectType(type)
        ? Object.values(type.getFields()).map(({ name, args, type: result }) => {
            const given = args
              .map(one => `${one.name}: ${one.type} = ${String(one.defaultValue)}`)
              .toSorted();
            return `${type.name}.${name}(${given.join(', ')}): ${result}`;
          })
        : [],
    ),
  );
}

describe('the schema that clients see', () => {
  test('has every promised field with its type, arguments and defaults, and shows no ticket', async () => {
    const { json } = await mesh.graphql(getIntrospectionQuery());
    const schema = buildClientSchema(json.data as unknown as Parameters<typeof buildClientSchema>[0]);
    const there = linesOf(schema);
    expect([...linesOf(PROMISED)].filter(line => !there.has(line))).toEqual([]);
    expect([...there].filter(line => /ReadTicket|FeatureMatrix\.read/.test(line))).toEqual([]);
    expect(schema.getMutationType() ?? null).toBeNull();
    expect(schema.getSubscriptionType() ?? null).toBeNull();
  });

  test('a ticket can be neither asked for nor given', async () => {
    for (const query of [
      '{ online(features: ["delays:a"], keys: {key: "k"}) { results { read } } }',
      '{ _entities(representations: [{__typename: "FeatureMatrix", region: "us-west-2", read: {}}]) { __typename } }',
    ]) {
      const { status, json } = await mesh.graphql(query);
      expect([status, json.errors[0].extensions.code]).toEqual([400, 'INVALID_REQUEST']);
    }
  });
});

describe('names', () => {
  test('a name that fits groups of several homes lists them, over GraphQL and HTTP; with its home it is one', async () => {
    const candidates = ['eu-west-1/twin', 'us-west-2/twin'];
    const overHttp = await mesh.read({ features: ['twin:a'], keys: { key: 'k' } });
    expect([overHttp.status, overHttp.json.code]).toEqual([409, 'AMBIGUOUS_NAME']);
    for (const name of candidates) expect(overHttp.text).toContain(name);
    const overGraphql = await mesh.graphql('{ featureGroup(ref: "twin") { name } }');
    expect(overGraphql.json.errors[0].extensions.code).toBe('AMBIGUOUS_NAME');
    for (const name of candidates) expect(overGraphql.text).toContain(name);
    const one = await mesh.read({ features: ['us-west-2/twin:a'], keys: { key: 'k' } });
    expect(one.json.results[0]?.columns).toEqual([['us-west-2 a k']]);
  });

  test('groups are found by text, tag, owner and home; one that is not there is null', async () => {
    const { json } = await mesh.graphql(`{
      text: featureGroups(filter: {text: "late"}) { totalCount nodes { name } }
      tagged: featureGroups(filter: {tag: "demo"}) { totalCount nodes { name } }
      owned: featureGroups(filter: {owner: "ops@example.com"}) { totalCount nodes { name } }
      home: featureGroups(filter: {homeRegion: "eu-west-1"}) { totalCount nodes { name } }
      page: featureGroups(first: 1) { totalCount nodes { name } pageInfo { hasNextPage endCursor } }
      none: featureGroup(ref: "nothing") { name }
    }`);
    const names = (page: 'text' | 'tagged' | 'owned' | 'home') =>
      json.data[page].nodes.map(({ name }) => name);
    expect(['text', 'tagged', 'owned'].map(page => names(page as 'text'))).toEqual([
      ['delays'],
      ['delays'],
      ['delays'],
    ]);
    expect(names('home')).toEqual(['twin']);
    expect(json.data.page).toMatchObject({ totalCount: 3, pageInfo: { hasNextPage: true } });
    expect(json.data.none).toBeNull();
    expect(json.errors).toBeUndefined();
  });
});

describe('answers', () => {
  test('one part unanswered leaves 200 and the others; all parts unanswered is the problem of the first', async () => {
    const stub = mesh.stub('eu-west-1');
    stub.behaviour = { kind: 'problem', code: 'STORE_UNAVAILABLE', detail: 'the store does not answer' };
    try {
      const request = { features: ['delays:a', 'eu-west-1/twin:a'], keys: { key: 'k' } };
      const partly = await mesh.read(request);
      expect(partly.status).toBe(200);
      expect(partly.json.results.map(({ statuses }) => statuses[0])).toEqual(['PRESENT', 'REFUSED']);
    } finally {
      stub.behaviour = { kind: 'right' };
    }
    const west = mesh.stub('us-west-2');
    west.behaviour = { kind: 'problem', code: 'STORE_UNAVAILABLE', detail: 'the store does not answer' };
    try {
      const none = await mesh.read({ features: ['us-west-2/twin:a'], keys: { key: 'k' } });
      expect([none.status, none.json.code]).toEqual([503, 'STORE_UNAVAILABLE']);
      const headers = [['content-type', 'application/json']] as const;
      const body = Buffer.from(JSON.stringify({ features: ['us-west-2/twin:a'], keys: { key: 'k' } }));
      const raw = await sendRaw(mesh.url, { method: 'POST', path: '/v1/online/read', headers, body }, 5_000);
      expect(Number(raw.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(none.json.results[0]).toMatchObject({ columns: null, statuses: ['UNAVAILABLE'] });
    } finally {
      west.behaviour = { kind: 'right' };
    }
  });

  test('health, route and metrics', async () => {
    const get = (path: string) => mesh.send(path, { method: 'GET' });
    expect((await get('/health/live')).status).toBe(200);
    expect((await get('/health/ready')).status).toBe(200);
    expect(JSON.parse((await get('/health/route')).text)).toMatchObject({ state: 'active', weight: 100 });
    expect((await get('/metrics')).text).toMatch(/^featuremesh_\w+\{.*\} \d/m);
  });
});
