import { ERRORS, type ErrorCode } from '@featuremesh/domain/error-catalogue';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { type AnswerRules, answerFaults } from '@featuremesh/testkit/fuzz/answer-faults';
import { fuzzSettings } from '@featuremesh/testkit/fuzz/fuzz-settings';
import {
  brokenBytes,
  hostileRequest,
  type SeedRequest,
  strangeValue,
} from '@featuremesh/testkit/fuzz/hostile-requests';
import { type RawRequest, sendBytes, sendRaw } from '@featuremesh/testkit/fuzz/raw-http';
import { definitions, group, policy, record } from '@featuremesh/testkit/region/test-definitions';
import { INTERNAL_TOKEN, TestRegion } from '@featuremesh/testkit/region/test-region';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

const SLOW_MS = 120_000;
const DEADLINE_MS = 10_000;
/** What a region may say of itself to a well-formed request: parts of later milestones, a position that did not come, a full store. */
const MAY_FAIL: ReadonlySet<ErrorCode> = new Set([
  'NOT_YET_SUPPORTED',
  'POSITION_NOT_REACHED',
  'LAG_TOO_HIGH',
  'TABLE_LIMIT',
  'DEADLINE_EXCEEDED',
]);
/** The entity key of every meaningful row: no answer but a read's own columns may hold it, and no log line. */
const ENTITY_KEY = 'key-of-a-person';
const EVENT = '2026-01-01T00:00:00Z';

let broker: FeedBroker;
let region: TestRegion;
let rules: AnswerRules;

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer());
  region = await TestRegion.start('us-east-1', { brokerUrl: broker.url });
  rules = {
    secrets: [`:${new URL(region.url).port}`, `:${new URL(broker.url).port}`, ENTITY_KEY, INTERNAL_TOKEN],
    mayFail: MAY_FAIL,
  };
  const applied = await region.call('POST', '/v1/admin/definitions', { definitions: SET });
  expect(applied.status).toBe(200);
}, SLOW_MS);

afterEach(async () => {
  expect(await region.call('POST', '/v1/groups/delays/rows', GOOD_WRITE)).toMatchObject({
    status: 200,
    body: { accepted: 1 },
  });
  expect(await region.call('POST', '/v1/online/read', GOOD_READ)).toMatchObject({
    status: 200,
    body: { results: [{ columns: [[4.5]], statuses: ['PRESENT'] }] },
  });
  const unexpected = region.logLines.filter(line => line.includes('unexpectedly'));
  expect(unexpected.map(line => JSON.parse(line).err)).toEqual([]);
  expect(region.logLines.filter(line => line.includes(ENTITY_KEY))).toEqual([]);
});

afterAll(async () => {
  await region.stop();
  await broker.stop();
}, SLOW_MS);

const SET = definitions([
  group('delays', {
    features: {
      mean: 'float64?',
      count: 'int64?',
      name: 'string?',
      raw: 'bytes?',
      at: 'timestamp?',
      tags: 'string[]?',
      place: 'float32[3]?',
      late: 'bool?',
    },
  }),
]);
const GOOD_WRITE = { rows: [{ key: { airport: ENTITY_KEY }, eventTime: EVENT, features: { mean: 4.5 } }] };
const GOOD_READ = { features: ['delays:mean'], keys: { airport: ENTITY_KEY } };
const FULL_ROW = {
  key: { airport: ENTITY_KEY },
  eventTime: EVENT,
  createdTime: EVENT,
  features: {
    mean: 1.5,
    count: '9007199254740993',
    name: 'x',
    raw: 'AAEC',
    at: EVENT,
    tags: ['a'],
    place: [1, 2, 3],
    late: true,
  },
};
const NDJSON = `${JSON.stringify(FULL_ROW)}\n${JSON.stringify({ key: { airport: ENTITY_KEY }, eventTime: EVENT, deleted: true })}\n`;
const FULL_READ = {
  features: ['delays:mean', 'us-east-1/delays@v1:count'],
  keys: { airport: [ENTITY_KEY, ENTITY_KEY] },
  maxAgeMs: 1_000,
  maxLagMs: 1_000,
  consistency: 'nearest',
  purpose: 'operations',
  includeStale: true,
  vectorsAs: 'array',
};
const ENTITIES =
  'query($representations:[_Any!]!){_entities(representations:$representations){... on FeatureMatrix{columns}}}';
const PUBLIC: readonly SeedRequest[] = [
  { method: 'POST', path: '/v1/groups/delays/rows', body: { rows: [FULL_ROW, FULL_ROW] } },
  {
    method: 'POST',
    path: '/v1/groups/us-east-1/delays@v1/rows?onReject=fail&nonFinite=null',
    body: { rows: [FULL_ROW] },
  },
  { method: 'POST', path: '/v1/groups/delays/rows', type: 'application/x-ndjson', body: NDJSON },
  { method: 'POST', path: '/v1/online/read', body: FULL_READ },
  {
    method: 'POST',
    path: '/v1/online/read',
    body: {
      service: 'model',
      keys: { airport: ENTITY_KEY },
      consistency: { after: 'p1.us-east-1.abc.aaaaaaaaaaaaaaaa.0.5' },
    },
  },
  { method: 'POST', path: '/v1/admin/definitions', body: { definitions: SET, dryRun: true } },
  { method: 'POST', path: '/v1/admin/definitions/plan', body: { definitions: SET, expectedRevision: 1 } },
  { method: 'POST', path: '/v1/admin/policies/plan', body: { document: policy({ name: 'open' }) } },
  {
    method: 'POST',
    path: '/v1/admin/policies/propose',
    body: { record: record(policy({ name: 'fuzzed' })) },
  },
  {
    method: 'POST',
    path: '/v1/admin/policies/approve',
    body: {
      home: 'us-east-1',
      name: 'open',
      version: 1,
      signature: record(policy({ name: 'open' })).signatures[0],
    },
  },
  { method: 'GET', path: '/v1/admin/policies/explain?group=delays' },
  { method: 'GET', path: '/v1/admin/audit?limit=5' },
  { method: 'GET', path: '/v1/admin/erasures/1' },
  { method: 'GET', path: '/v1/groups/us-east-1/delays@v1' },
  { method: 'GET', path: '/v1/services/model' },
  { method: 'GET', path: '/v1/operations/1' },
  {
    method: 'POST',
    path: '/graphql',
    body: {
      query: ENTITIES,
      variables: {
        representations: [
          {
            __typename: 'FeatureMatrix',
            region: 'us-east-1',
            read: { g: 'aaaaaaaaaaaaaaaa', v: 1, f: ['mean'], keys: { airport: [ENTITY_KEY] } },
          },
        ],
      },
    },
  },
  {
    method: 'POST',
    path: '/graphql',
    body: { query: '{__schema{types{name}}}', operationName: 'x', extensions: {} },
  },
];
const INTERNAL: readonly SeedRequest[] = [
  { method: 'GET', path: '/internal/v1/mesh-state?after=0&waitMs=0' },
  { method: 'GET', path: '/internal/v1/own-entries?after=0' },
  { method: 'GET', path: '/internal/v1/snapshot?group=aaaaaaaaaaaaaaaa&version=1&limit=10' },
  { method: 'POST', path: '/internal/v1/entries', body: { peer: 'eu-west-1', entries: [] } },
  { method: 'POST', path: '/internal/v1/policy-confirmed', body: { home: 'eu-west-1', epoch: 0, atMs: 0 } },
  { method: 'POST', path: '/internal/v1/enforced', body: { revision: 1, hash: 'x' } },
  { method: 'POST', path: '/internal/v1/links', body: { links: [] } },
];

/** What is wrong with the answer to a request; a request without an answer throws. */
async function faultsOf(request: RawRequest, sent = request): Promise<readonly string[]> {
  return answerFaults(await sendRaw(region.url, sent, DEADLINE_MS), request, rules);
}

test(
  'hostile requests to the public routes get typed answers that tell nothing, and the region serves on',
  async () => {
    const settings = fuzzSettings('region routes', 700);
    await fc.assert(
      fc.asyncProperty(hostileRequest(PUBLIC), async request => {
        expect(await faultsOf(request)).toEqual([]);
      }),
      settings,
    );
  },
  SLOW_MS,
);

test(
  'without the internal token every internal route is closed, whatever is sent',
  async () => {
    await fc.assert(
      fc.asyncProperty(hostileRequest(INTERNAL), async request => {
        const answer = await sendRaw(region.url, request, DEADLINE_MS);
        expect(answerFaults(answer, request, rules)).toEqual([]);
        expect(answer.status).toBeGreaterThanOrEqual(400);
      }),
      fuzzSettings('internal routes without token', 150),
    );
    expect(region.registry.state().policyConfirmedAtMs).toEqual({});
  },
  SLOW_MS,
);

test(
  'with the internal token hostile bodies are refused and change nothing that was served',
  async () => {
    await fc.assert(
      fc.asyncProperty(hostileRequest(INTERNAL), async request => {
        const headers = [...(request.headers ?? []), ['authorization', `Bearer ${INTERNAL_TOKEN}`]] as const;
        const faults = await faultsOf(request, { ...request, headers });
        expect(faults).toEqual([]);
      }),
      fuzzSettings('internal routes with token', 150),
    );
  },
  SLOW_MS,
);

test(
  'rows of any shape are taken or refused one by one: each is counted, and each refusal has a code of rows',
  async () => {
    const wild = fc.record(
      {
        key: fc.oneof(fc.record({ airport: strangeValue }), strangeValue),
        eventTime: fc.oneof(fc.constant(EVENT), strangeValue),
        createdTime: fc.oneof(fc.constant(EVENT), strangeValue),
        features: fc.dictionary(fc.constantFrom(...Object.keys(FULL_ROW.features), 'other'), strangeValue),
        deleted: strangeValue,
        other: strangeValue,
      },
      { requiredKeys: [] },
    );
    const rowsOf = fc.array(fc.oneof(wild, fc.constant(FULL_ROW), strangeValue), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(rowsOf, fc.boolean(), async (rows, lines) => {
        const body = lines ? rows.map(row => `${JSON.stringify(row)}\n`).join('') : JSON.stringify({ rows });
        const type = lines ? 'application/x-ndjson' : 'application/json';
        const answer = await region.call('POST', '/v1/groups/delays/rows', body, { 'content-type': type });
        expect([200, 207, 422]).toContain(answer.status);
        const { accepted, duplicates, rejectedTotal, rejected } = answer.body;
        expect(accepted + duplicates + rejectedTotal).toBe(rows.length);
        for (const { index, code } of rejected) {
          expect(index).toBeLessThan(rows.length);
          expect(ERRORS[code as ErrorCode].http).toBeLessThan(500);
        }
      }),
      fuzzSettings('rows', 300),
    );
  },
  SLOW_MS,
);

test(
  'bytes that are hardly HTTP are answered or cut off, and tell nothing',
  async () => {
    await fc.assert(
      fc.asyncProperty(brokenBytes, async bytes => {
        const answer = await sendBytes(region.url, bytes, DEADLINE_MS);
        expect(answer.status).toBeGreaterThanOrEqual(400);
        expect(answerFaults(answer, { method: 'GET', path: '/' }, rules)).toEqual([]);
      }),
      fuzzSettings('broken bytes', 100),
    );
  },
  SLOW_MS,
);
