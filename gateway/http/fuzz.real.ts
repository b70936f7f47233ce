import { ERRORS, type ErrorCode } from '@featuremesh/domain/error-catalogue';
import { type AnswerRules, answerFaults } from '@featuremesh/testkit/fuzz/answer-faults';
import { fuzzSettings } from '@featuremesh/testkit/fuzz/fuzz-settings';
import {
  brokenBytes,
  hostileRequest,
  type SeedRequest,
  strangeValue,
} from '@featuremesh/testkit/fuzz/hostile-requests';
import { type RawAnswer, sendBytes, sendRaw } from '@featuremesh/testkit/fuzz/raw-http';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { GatewayHarness } from '../testing/gateway-harness.ts';

const SLOW_MS = 120_000;
const DEADLINE_MS = 10_000;
const REGIONS = ['us-east-1', 'us-west-2', 'eu-west-1'];
/** What a gateway may say to a well-formed request: parts of later milestones, a wish that no copy fulfils. */
const MAY_FAIL: ReadonlySet<ErrorCode> = new Set([
  'NOT_YET_SUPPORTED',
  'LAG_TOO_HIGH',
  'POSITION_NOT_REACHED',
]);
/** The entity key of every meaningful read: only columns that the stubs fill may hold it, no error and no log line. */
const ENTITY_KEY = 'key-of-a-person';

let mesh: GatewayHarness;
let rules: AnswerRules;

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
        joinKeys: [{ name: 'airport', type: 'string' }],
      },
      {
        name: 'people',
        home: 'us-east-1',
        mode: 'local',
        regions: REGIONS,
        joinKeys: [
          { name: 'person', type: 'string' },
          { name: 'residence', type: 'string', role: 'region' },
        ],
      },
    ],
    policies: [
      { group: 'us-east-1/delays', regions: REGIONS, egress: 'proxy' },
      { group: 'us-east-1/people', regions: REGIONS, rows: 'origin', egress: 'in-domain' },
    ],
  });
  rules = { secrets: [...mesh.stubs.values()].map(stub => `:${stub.port}`), mayFail: MAY_FAIL };
}, SLOW_MS);

afterEach(async () => {
  const overHttp = await mesh.read({ features: ['delays:a'], keys: { airport: 'JFK' } });
  expect([overHttp.status, overHttp.json.results[0]?.columns]).toEqual([200, [['us-east-1 a JFK']]]);
  const overGraphql = await mesh.graphql(
    '{ online(features: ["delays:a"], keys: {airport: "JFK"}) { results { columns } } }',
  );
  expect(overGraphql.json.data.online.results[0]?.columns).toEqual([['us-east-1 a JFK']]);
  expect([...mesh.stubs.values()].flatMap(stub => stub.faults)).toEqual([]);
  const unexpected = mesh.logged.filter(line => /unexpectedly|did not fit/.test(line));
  expect(unexpected.map(line => JSON.parse(line).err ?? line)).toEqual([]);
  expect(mesh.logged.filter(line => line.includes(ENTITY_KEY))).toEqual([]);
});

afterAll(() => mesh.stop(), SLOW_MS);

const ONLINE = `query q($service: String, $features: [String!], $keys: JSON!, $context: JSON, $maxAgeMs: Int, $maxLagMs: Int, $consistency: JSON, $purpose: String, $includeStale: Boolean, $vectorsAs: String) {
  online(service: $service, features: $features, keys: $keys, context: $context, maxAgeMs: $maxAgeMs, maxLagMs: $maxLagMs, consistency: $consistency, purpose: $purpose, includeStale: $includeStale, vectorsAs: $vectorsAs) {
    rows results { region group as version rowIndex names columns statuses eventTimes source problem }
  }
}`;
const FULL_READ = {
  features: ['delays:a', 'us-east-1/delays@v1:b', 'people:a'],
  keys: {
    airport: [ENTITY_KEY, 'BOS'],
    person: [ENTITY_KEY, ENTITY_KEY],
    residence: ['us-east-1', 'us-west-2'],
  },
  maxAgeMs: 1_000,
  consistency: 'nearest',
  purpose: 'operations',
  includeStale: true,
  vectorsAs: 'array',
};
const CATALOGUE = `query c($filter: FeatureGroupFilter, $first: Int, $after: String) {
  regions { id health } featureGroups(filter: $filter, first: $first, after: $after) { totalCount nodes { id name homeRegion slices { region rows lagMs freshness } services { name } } pageInfo { endCursor } }
  featureGroup(ref: "us-east-1/delays") { name inputs { name } entities { name } features { name type } }
}`;
const SEEDS: readonly SeedRequest[] = [
  { method: 'POST', path: '/v1/online/read', body: FULL_READ },
  {
    method: 'POST',
    path: '/v1/online/read',
    body: { features: ['people:a'], keys: { person: ENTITY_KEY, residence: 'eu-west-1' } },
  },
  { method: 'POST', path: '/graphql', body: { query: ONLINE, variables: FULL_READ, operationName: 'q' } },
  {
    method: 'POST',
    path: '/graphql',
    body: {
      query: `{ online(features: ["delays:a"], keys: {airport: "${ENTITY_KEY}"}) { rows results { columns } } }`,
    },
  },
  {
    method: 'POST',
    path: '/graphql',
    body: { query: CATALOGUE, variables: { filter: { text: 'd' }, first: 1, after: null } },
  },
  { method: 'GET', path: '/graphql?query=%7Bregions%7Bid%7D%7D' },
  { method: 'GET', path: '/health/route' },
];

/** What is wrong with an answer, a key of a row in an error among it. */
function faultsOf(
  answer: RawAnswer,
  request: { readonly method: string; readonly path: string },
): readonly string[] {
  const isError =
    answer.status >= 400 || (answer.body.includes('"errors"') && !answer.body.includes('"columns"'));
  const told = isError && answer.body.includes(ENTITY_KEY) ? ['tells an entity key'] : [];
  // The page for browsers.
  if ((answer.headers.get('content-type') ?? '').startsWith('text/html') && answer.status === 200)
    return told;
  return [...told, ...answerFaults(answer, request, rules)];
}

test(
  'hostile requests get typed answers that tell nothing, and the gateway serves on',
  async () => {
    await fc.assert(
      fc.asyncProperty(hostileRequest(SEEDS), async request => {
        expect(faultsOf(await sendRaw(mesh.url, request, DEADLINE_MS), request)).toEqual([]);
      }),
      fuzzSettings('gateway routes', 600),
    );
  },
  SLOW_MS,
);

test(
  'reads of any shape are answered over HTTP and GraphQL, with the same code where they are refused as a whole',
  async () => {
    const wildRead = fc.record(
      {
        service: strangeValue,
        features: fc.oneof(
          fc.array(fc.oneof(fc.constantFrom('delays:a', 'people:a', 'nothing:a', 'delays:z'), fc.string())),
          strangeValue,
        ),
        keys: fc.oneof(
          fc.dictionary(
            fc.constantFrom('airport', 'person', 'residence', 'x'),
            fc.oneof(fc.array(strangeValue, { maxLength: 3 }), strangeValue),
          ),
          strangeValue,
        ),
        maxAgeMs: strangeValue,
        maxLagMs: strangeValue,
        consistency: fc.oneof(strangeValue, fc.record({ after: strangeValue })),
        purpose: strangeValue,
        includeStale: strangeValue,
        vectorsAs: strangeValue,
        context: strangeValue,
      },
      { requiredKeys: ['features', 'keys'] },
    );
    const headers = [['content-type', 'application/json']] as const;
    const post = (path: string, body: unknown) =>
      sendRaw(
        mesh.url,
        { method: 'POST', path, headers, body: Buffer.from(JSON.stringify(body)) },
        DEADLINE_MS,
      );
    await fc.assert(
      fc.asyncProperty(wildRead, async read => {
        const overHttp = await post('/v1/online/read', read);
        expect(faultsOf(overHttp, { method: 'POST', path: '/v1/online/read' })).toEqual([]);
        const overGraphql = await post('/graphql', { query: ONLINE, variables: read });
        expect(faultsOf(overGraphql, { method: 'POST', path: '/graphql' })).toEqual([]);
        const [first] = JSON.parse(overGraphql.body).errors ?? [];
        if (overHttp.status === 200) expect(first?.path?.[0] ?? 'none').toBe('none');
        else expect(ERRORS[first.extensions.code as ErrorCode].http).toBe(overHttp.status);
      }),
      fuzzSettings('gateway reads', 150),
    );
  },
  SLOW_MS,
);

test(
  'operations with any arguments, aliases and fragments are answered or refused as invalid',
  async () => {
    const name = fc.constantFrom(
      'regions',
      'online',
      'featureGroups',
      'featureGroup',
      '_entities',
      '_service',
      '__schema',
      '__typename',
      'nothing',
    );
    const args = fc.constantFrom(
      '',
      '(ref: "delays")',
      '(first: -1)',
      '(first: 2147483648)',
      '(keys: {}, features: ["delays:a"])',
      '(keys: null)',
      '(representations: [{__typename: "FeatureMatrix"}])',
      '(after: "%%%")',
      '(filter: {text: "(("})',
    );
    const selection = fc.constantFrom(
      '',
      '{ id }',
      '{ __typename }',
      '{ nodes { slices { region } } }',
      '{ results { read problem } }',
      '{ ...F }',
      '{ ... on Region { id } }',
      '{ types { name } }',
    );
    const field = fc
      .tuple(
        fc.constantFrom('', 'a: ', 'b: '),
        name,
        args,
        fc.constantFrom('', '@skip(if: true)', '@include(if: $x)', '@defer'),
        selection,
      )
      .map(parts => parts.join(' '));
    const operation = fc
      .tuple(
        fc.constantFrom('', 'query', 'query q($x: Boolean)', 'mutation', 'subscription'),
        fc.array(field, { minLength: 1, maxLength: 4 }),
        fc.constantFrom('', ' fragment F on Region { id ...F }', ' fragment F on Query { regions { id } }'),
      )
      .map(([kind, fields, rest]) => `${kind} { ${fields.join(' ')} }${rest}`);
    await fc.assert(
      fc.asyncProperty(operation, async query => {
        const request = {
          method: 'POST',
          path: '/graphql',
          headers: [['content-type', 'application/json']] as const,
          body: Buffer.from(JSON.stringify({ query })),
        };
        expect(faultsOf(await sendRaw(mesh.url, request, DEADLINE_MS), request)).toEqual([]);
      }),
      fuzzSettings('gateway operations', 300),
    );
  },
  SLOW_MS,
);

test(
  'bytes that are hardly HTTP are answered and tell nothing',
  async () => {
    await fc.assert(
      fc.asyncProperty(brokenBytes, async bytes => {
        const answer = await sendBytes(mesh.url, bytes, DEADLINE_MS);
        expect(answer.status).toBeGreaterThanOrEqual(400);
        expect(answerFaults(answer, { method: 'GET', path: '/' }, rules)).toEqual([]);
      }),
      fuzzSettings('gateway broken bytes', 100),
    );
  },
  SLOW_MS,
);
