import { createHash } from 'node:crypto';
import { regionId } from '@featuremesh/domain/region-id';
import { type CallerClaims, RegionTokenSigner } from '@featuremesh/runtime/region-token';
import { definitions, group, policy, record } from '@featuremesh/testkit/region/test-definitions';
import { MESH, type TestAnswer, TestRegion } from '@featuremesh/testkit/region/test-region';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const FILL =
  'query($representations:[_Any!]!){_entities(representations:$representations){... on FeatureMatrix{columns statuses eventTimes source problem} ... on FeatureSlice{rows lagMs freshness{newestEventTime ageMs}}}}';
const EVERYONE: CallerClaims = { jurisdictions: 'all', purposes: 'all' };

let region: TestRegion;

beforeAll(async () => {
  region = await TestRegion.start();
  const everywhere = ['eu-west-1', 'us-east-1', 'us-west-2'].map(regionId);
  await region.call('POST', '/v1/admin/definitions', {
    definitions: definitions([
      group('delays', { sync: { mode: 'active-active', regions: everywhere } }),
      group('pinned'),
    ]),
  });
  const shared = policy({
    name: 'shared',
    egress: 'in-domain',
    readers: { jurisdictions: ['US', 'EU'], purposes: null },
  });
  const proposed = await region.call('POST', '/v1/admin/policies/propose', {
    record: record(shared, ['ben', 'cleo']),
  });
  expect(proposed.body).toMatchObject({ policy: { state: 'in-force' } });
  await region.put('delays', [
    { key: { airport: 'ATL' }, eventTimeMs: region.nowMs() - 60_000, features: { mean: 4 } },
  ]);
  await region.put('pinned', [{ key: { airport: 'ATL' }, eventTimeMs: 0, features: { mean: 5 } }]);
});

afterAll(() => region.stop());

const ticket = (name: string, more: Readonly<Record<string, unknown>> = {}) => ({
  __typename: 'FeatureMatrix',
  region: 'us-east-1',
  read: { g: region.group(name).id, v: 1, f: ['mean'], keys: { airport: ['ATL'] }, ...more },
});

interface AskOptions {
  readonly gateway?: keyof typeof MESH;
  readonly caller?: CallerClaims;
  readonly key?: keyof typeof MESH;
  readonly hashOf?: unknown;
  readonly audience?: string;
  readonly deadlineMs?: number;
}

async function ask(representations: readonly unknown[], options: AskOptions = {}): Promise<TestAnswer> {
  const { gateway = 'us-east-1', caller = EVERYONE, key = gateway, audience = 'us-east-1' } = options;
  const signer = new RegionTokenSigner({
    privateKeyPem: MESH[key].key.privateKeyPem,
    region: regionId(gateway),
    clock: { nowMs: () => Date.now(), nowUs: () => BigInt(Date.now()) * 1_000n },
  });
  const hashed = JSON.stringify(options.hashOf ?? representations);
  const ticketHash = createHash('sha256').update(hashed).digest('hex');
  const deadlineMs = options.deadlineMs ?? Date.now() + 2_000;
  const token = await signer.sign({ caller, deadlineMs, ticketHash }, regionId(audience));
  const body = { query: FILL, variables: { representations } };
  return region.call('POST', '/graphql', body, { authorization: `Bearer ${token}` });
}

describe('filling references', () => {
  test('a permitted ticket comes back as columns, stamped with the region', async () => {
    const { status, headers, body } = await ask([ticket('delays')]);
    expect(status).toBe(200);
    expect(body.errors).toBeUndefined();
    expect(body.extensions).toEqual({ region: 'us-east-1' });
    expect(body.data._entities[0]).toMatchObject({
      columns: [[4]],
      statuses: ['PRESENT'],
      source: { region: 'us-east-1', replica: false },
      problem: null,
    });
    expect(headers.get('cache-control')).toBeNull();
  });

  test('one refused entity leaves the others whole, with code and path', async () => {
    const { body } = await ask([ticket('delays'), ticket('pinned'), ticket('delays')], {
      gateway: 'us-west-2',
    });
    expect(body.data._entities.map((entity: unknown) => entity !== null)).toEqual([true, false, true]);
    expect(body.errors).toHaveLength(1);
    expect(body.errors[0]).toMatchObject({
      path: ['_entities', 1],
      extensions: {
        code: 'RESIDENCY_REDIRECT',
        region: 'us-east-1',
        candidates: [{ region: 'us-east-1', publicGatewayUrl: 'http://gateway.us-east-1.example' }],
      },
    });
  });

  test('a caller outside the readers is RESIDENCY_DENIED without candidates, also through a permitted gateway', async () => {
    const { body } = await ask([ticket('delays')], { caller: { jurisdictions: ['BR'], purposes: 'all' } });
    expect(body.errors[0].extensions).toEqual({ code: 'RESIDENCY_DENIED', region: 'us-east-1' });
  });

  test('a reference for another region is MISROUTED', async () => {
    const { body } = await ask([{ ...ticket('delays'), region: 'eu-west-1' }]);
    expect(body.errors[0]).toMatchObject({ path: ['_entities', 0], extensions: { code: 'MISROUTED' } });
  });

  test('a store that fails is a problem of the part, not an error and not a missing row', async () => {
    region.failReads(true);
    try {
      const { body } = await ask([ticket('delays')]);
      expect(body.errors).toBeUndefined();
      expect(body.data._entities[0]).toMatchObject({
        columns: null,
        statuses: ['UNAVAILABLE'],
        problem: { code: 'STORE_UNAVAILABLE', region: 'us-east-1', retryable: true },
      });
    } finally {
      region.failReads(false);
    }
  });

  test('a copy beyond maxLagMs, or of unknown lag, says so', async () => {
    region.setLag(5_000);
    const late = await ask([ticket('delays', { maxLagMs: 1_000 })]);
    region.setLag(null);
    const unknown = await ask([ticket('delays', { maxLagMs: 1_000 })]);
    region.setLag(0);
    for (const { body } of [late, unknown])
      expect(body.data._entities[0].problem).toMatchObject({ code: 'LAG_TOO_HIGH' });
  });

  test('a slice tells rows, lag and freshness', async () => {
    const { body } = await ask([
      { __typename: 'FeatureSlice', region: 'us-east-1', group: region.group('delays').id },
    ]);
    expect(body.errors).toBeUndefined();
    const [slice] = body.data._entities;
    expect(slice).toMatchObject({ rows: 1, lagMs: 0 });
    expect(slice.freshness.ageMs).toBeGreaterThanOrEqual(60_000);
    expect(slice.freshness.ageMs).toBeLessThan(120_000);
  });

  test('a malformed ticket is INVALID_REQUEST at its place', async () => {
    const { body } = await ask([ticket('delays', { f: 'mean' })]);
    expect(body.errors[0]).toMatchObject({ path: ['_entities', 0], extensions: { code: 'INVALID_REQUEST' } });
  });
});

describe('references that the contract does not have', () => {
  // An entity that is refused while the list fails as a whole would be a rejection that nobody hears: the end of the process.
  test.each<[string, unknown]>([
    ['of an unknown type', { __typename: 'Nothing', region: 'us-east-1' }],
    ['without a type', {}],
    ['that is a number', 5],
    ['that is an object of the language', { __typename: 'constructor' }],
  ])('one %s is refused alone, with and without a token', async (_, reference) => {
    const { body } = await ask([ticket('delays'), reference]);
    expect(body.data._entities[0]).toMatchObject({ columns: [[4]] });
    expect(body.data._entities[1]).toBeNull();
    expect(body.errors).toMatchObject([
      { path: ['_entities', 1], extensions: { code: 'INVALID_REQUEST', region: 'us-east-1' } },
    ]);
    const open = { query: FILL, variables: { representations: [ticket('delays'), reference] } };
    const refused = await region.call('POST', '/graphql', open);
    expect(refused.body.data._entities).toEqual([null, null]);
    const codes = refused.body.errors.map((error: { extensions: { code: string } }) => error.extensions.code);
    expect(codes).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED']);
  });
});

describe('gateway tokens', () => {
  test('without a token every entity is UNAUTHENTICATED and nothing is read', async () => {
    const body = { query: FILL, variables: { representations: [ticket('delays')] } };
    const answer = await region.call('POST', '/graphql', body);
    expect(answer.status).toBe(200);
    expect(answer.body.data._entities).toEqual([null]);
    expect(answer.body.errors[0]).toMatchObject({
      path: ['_entities', 0],
      extensions: { code: 'UNAUTHENTICATED' },
    });
    expect(answer.body.extensions).toEqual({ region: 'us-east-1' });
  });

  test.each<[string, AskOptions]>([
    ['signed by another region than it names', { gateway: 'us-east-1', key: 'eu-west-1' }],
    ['made for another region', { audience: 'eu-west-1' }],
    ['made for other tickets', { hashOf: [] }],
  ])('a token %s is refused', async (_, options) => {
    const { body } = await ask([ticket('delays')], options);
    expect(body.data._entities).toEqual([null]);
    expect(body.errors[0].extensions.code).toBe('UNAUTHENTICATED');
  });

  test('a passed deadline is not worked for', async () => {
    const { body } = await ask([ticket('delays')], { deadlineMs: Date.now() - 1 });
    expect(body.errors[0].extensions.code).toBe('DEADLINE_EXCEEDED');
  });

  test('a token fits one list of tickets only, even where the tickets are written into the query', async () => {
    const inline = `{_entities(representations:[{__typename:"FeatureMatrix",region:"us-east-1",read:{g:"${region.group('delays').id}",v:1,f:["mean"],keys:{airport:["ATL"]}}}]){... on FeatureMatrix{columns}}}`;
    const signer = new RegionTokenSigner({
      privateKeyPem: MESH['us-east-1'].key.privateKeyPem,
      region: regionId('us-east-1'),
      clock: { nowMs: () => Date.now(), nowUs: () => BigInt(Date.now()) * 1_000n },
    });
    const ticketHash = createHash('sha256')
      .update(JSON.stringify([ticket('pinned')]))
      .digest('hex');
    const claims = { caller: EVERYONE, deadlineMs: Date.now() + 2_000, ticketHash };
    const token = await signer.sign(claims, regionId('us-east-1'));
    const headers = { authorization: `Bearer ${token}` };
    const { body } = await region.call('POST', '/graphql', { query: inline, variables: {} }, headers);
    expect(body.data._entities).toEqual([null]);
    expect(body.errors[0].extensions.code).toBe('UNAUTHENTICATED');
  });
});

describe('the endpoint', () => {
  test('introspection shows no root field beside those of federation, and an unknown field is INVALID_REQUEST', async () => {
    const { body } = await region.call('POST', '/graphql', {
      query: '{__schema{queryType{fields{name}} mutationType{name}}}',
    });
    expect(body.data.__schema.queryType.fields.map(({ name }: { name: string }) => name).sort()).toEqual([
      '_entities',
      '_service',
    ]);
    expect(body.data.__schema.mutationType).toBeNull();
    const wrong = await region.call('POST', '/graphql', { query: '{nothing}' });
    expect(wrong.body.errors[0].extensions).toEqual({ code: 'INVALID_REQUEST', region: 'us-east-1' });
    expect(JSON.stringify(wrong.body)).not.toMatch(/stacktrace|127\.0\.0\.1/);
    for (const wrongInItself of ['""', [], { query: '' }, { query: 5 }, { query: FILL, variables: 5 }]) {
      const refused = await region.call('POST', '/graphql', wrongInItself);
      expect(refused.body.errors[0].extensions).toEqual({ code: 'INVALID_REQUEST', region: 'us-east-1' });
    }
  });
});
