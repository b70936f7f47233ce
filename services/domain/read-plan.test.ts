import {
  GENERATED_NOW_MS as NOW_MS,
  testGroup,
  testPolicy,
  testState,
} from '@featuremesh/testkit/generators/mesh-states';
import { describe, expect, test } from 'vitest';
import type { CatalogueService } from './feature-group.ts';
import type { OnlineReadRequest } from './online-answer.ts';
import type { PolicyDocument } from './policy.ts';
import { formatPosition } from './position.ts';
import { planRead, type ReadPlan, type ReadWorld } from './read-plan.ts';
import { type RegionId, regionId } from './region-id.ts';
import { unansweredPart } from './unanswered-part.ts';

const [EAST, WEST, EU, IN] = ['us-east-1', 'us-west-2', 'eu-west-1', 'ap-south-1'].map(regionId) as [
  RegionId,
  RegionId,
  RegionId,
  RegionId,
];
const wide = { mode: 'active-active' as const, regions: [EAST, WEST, EU] };
const float = { kind: 'scalar', scalar: 'float64' } as const;
const feature = (name: string) => ({ name, type: float, nullable: true });

const shared = testGroup({
  name: 'shared',
  id: 'a'.repeat(16),
  sync: wide,
  features: [feature('a'), feature('b')],
});
const slices = testGroup({ name: 'slices', id: 'b'.repeat(16), sync: wide });
const people = testGroup({
  name: 'people',
  id: 'c'.repeat(16),
  sync: wide,
  joinKeys: [
    { name: 'person', type: 'string' },
    { name: 'residence', type: 'string', role: 'region' },
  ],
});
const model: CatalogueService = {
  id: 's',
  version: 1,
  definition: { name: 'model', homeRegion: EAST, tags: [], features: [] },
  resolved: [
    { groupId: shared.id, groupVersion: 1, as: 'from', features: ['a'], keys: { k: 'origin' } },
    { groupId: shared.id, groupVersion: 1, as: 'to', features: ['b', 'a'], keys: { k: 'destination' } },
  ],
};

const policy = (name: string, more: Partial<PolicyDocument> = {}) =>
  testPolicy({
    name,
    select: { groups: [`us-east-1/${name}`], tags: [], entities: [] },
    allowed: { regions: [EAST, WEST, EU], jurisdictions: [] },
    rows: name === 'shared' ? 'shared' : 'origin',
    egress: 'in-domain',
    ...more,
  });

const DISTANCES: Record<string, number> = { [EAST]: 0, [WEST]: 65, [EU]: 75, [IN]: 200 };

function plan(
  request: Partial<OnlineReadRequest>,
  options: Partial<ReadWorld> & { policies?: readonly ReturnType<typeof policy>[] } = {},
) {
  const { policies = [policy('shared'), policy('slices'), policy('people')], ...world } = options;
  return planRead(
    { keys: { k: 'x' }, ...request },
    {
      state: testState({ groups: [shared, slices, people], services: [model], policies }),
      gatewayRegion: EAST,
      nowMs: NOW_MS,
      caller: { jurisdictions: 'all', purposes: 'all' },
      health: () => 'up',
      distance: region => DISTANCES[region] ?? 1_000,
      ...world,
    },
  );
}

function planned(...args: Parameters<typeof plan>): ReadPlan {
  const result = plan(...args);
  if (!result.ok) throw new Error(result.problem.detail);
  return result.value;
}

const a = { features: ['shared:a'] };

describe('keys and rows', () => {
  test('scalars apply to every row, each distinct key is read once, order is kept (V3)', () => {
    const { rows, reads } = planned({
      features: ['shared:b', 'shared:a', 'shared:b'],
      keys: { k: ['y', 'x', 'y'], other: 1 },
    });
    expect(rows).toBe(3);
    expect(reads).toHaveLength(1);
    expect(reads[0]).toMatchObject({
      group: 'shared',
      names: ['b', 'a'],
      rowIndex: [0, 1, 0],
      region: EAST,
      alternatives: [WEST, EU],
      ticket: { g: shared.id, v: 1, f: ['b', 'a'], keys: { k: ['y', 'x'] } },
    });
  });

  test('rowIndex is left out where it is the identity, and a scalar key alone is one row', () => {
    expect(planned({ ...a, keys: { k: ['x', 'y'] } }).reads[0]?.rowIndex).toBeNull();
    expect(planned({ ...a, keys: { k: 'x' } })).toMatchObject({
      rows: 1,
      reads: [{ ticket: { keys: { k: ['x'] } } }],
    });
    const { reads } = planned({ ...a, keys: { k: 'x', other: ['1', '2'] } });
    expect(reads[0]?.rowIndex).toEqual([0, 0]);
  });

  test('an empty list of keys asks for no rows', () => {
    expect(planned({ ...a, keys: { k: [] } })).toMatchObject({
      rows: 0,
      reads: [{ ticket: { keys: { k: [] } } }],
    });
  });

  test('a service reads one group in two roles by renamed keys', () => {
    const { reads } = planned({ service: 'model', keys: { origin: 'JFK', destination: ['LAX', 'SFO'] } });
    expect(reads).toMatchObject([
      { as: 'from', names: ['a'], rowIndex: [0, 0], ticket: { as: 'from', keys: { k: ['JFK'] } } },
      { as: 'to', names: ['b', 'a'], rowIndex: null, ticket: { as: 'to', keys: { k: ['LAX', 'SFO'] } } },
    ]);
  });

  test('options of the request travel in the ticket, and only those given', () => {
    const { reads } = planned({
      ...a,
      maxAgeMs: 5,
      includeStale: true,
      vectorsAs: 'base64f32',
      maxLagMs: 9,
      purpose: 'p',
    });
    expect(reads[0]?.ticket).toEqual({
      g: shared.id,
      v: 1,
      f: ['a'],
      keys: { k: ['x'] },
      maxAgeMs: 5,
      includeStale: true,
      vectorsAs: 'base64f32',
      maxLagMs: 9,
      purpose: 'p',
    });
    expect(Object.keys(planned(a).reads[0]?.ticket ?? {})).toEqual(['g', 'v', 'f', 'keys']);
  });
});

describe('requests that are wrong as a whole', () => {
  const long = Array.from({ length: 1_001 }, (_, i) => `${i}`);
  test.each<[string, Partial<OnlineReadRequest>, string?]>([
    ['SERVICE_AND_FEATURES', { service: 'model', features: ['shared:a'] }],
    ['INVALID_REQUEST', {}],
    ['INVALID_REQUEST', { features: [] }],
    ['INVALID_REQUEST', { features: ['shared'] }, 'features[0]'],
    ['UNKNOWN_GROUP', { features: ['shared:a', 'nothing:a'] }, 'features[1]'],
    ['UNKNOWN_FEATURE', { features: ['shared:zzz'] }, 'features[0]'],
    ['UNKNOWN_VERSION', { features: ['shared@v2:a'] }],
    ['UNKNOWN_SERVICE', { service: 'nothing' }],
    ['UNEQUAL_LENGTHS', { ...a, keys: { k: ['1'], other: ['1', '2'] } }, 'keys.other'],
    ['MISSING_KEY', { ...a, keys: { other: 1 } }, 'keys.k'],
    ['MISSING_KEY', { ...a, keys: { k: ['1', null] } }],
    ['INVALID_KEY', { ...a, keys: { k: ['1', 2] } }, 'keys[row 1]'],
    ['TOO_MANY_ROWS', { ...a, keys: { k: long } }],
    ['TOO_MANY_FEATURES', { features: long.map(i => `shared:a${i}`) }],
    ['INVALID_POSITION', { ...a, consistency: { after: 'nonsense' } }],
    ['NOT_YET_SUPPORTED', { ...a, context: { device: 'phone' } }],
  ])('%s', (code, request, path) => {
    const result = plan(request);
    expect(result).toMatchObject({ ok: false, problem: { code } });
    if (path !== undefined) expect(result).toMatchObject({ problem: { issues: [{ path }] } });
  });

  test('no key value appears in a problem', () => {
    const secret = 'entity-key-in-clear';
    const wrong = [
      { k: [secret, 7] },
      { k: [7, secret] },
      { k: { nested: secret } },
      { k: secret.repeat(100) },
    ];
    for (const keys of wrong) {
      const result = plan({ ...a, keys });
      expect(result.ok).toBe(false);
      expect(JSON.stringify(result)).not.toContain(secret);
    }
  });

  test('GROUP_RETIRED', () => {
    const retired = testGroup({ name: 'shared', state: 'retired' });
    expect(plan(a, { state: testState({ groups: [retired] }) })).toMatchObject({
      problem: { code: 'GROUP_RETIRED' },
    });
  });
});

describe('a replicated group', () => {
  test('goes to the own region first, then by distance, healthy before unknown', () => {
    expect(planned(a, { gatewayRegion: EU }).reads[0]).toMatchObject({
      region: EU,
      alternatives: [EAST, WEST],
    });
    const health = (region: RegionId) => (region === EU ? 'down' : region === EAST ? 'unknown' : 'up');
    expect(planned(a, { gatewayRegion: EU, health }).reads[0]).toMatchObject({
      region: WEST,
      alternatives: [EAST],
    });
  });

  test('is a part with a problem where every copy is down', () => {
    const [read] = planned(a, { health: () => 'down' }).reads;
    expect(read).toMatchObject({ ticket: null, region: EAST, problem: { code: 'REGION_UNAVAILABLE' } });
  });

  test('consistency home goes home or nowhere', () => {
    const home = { ...a, consistency: 'home' as const };
    expect(planned(home, { gatewayRegion: EU }).reads[0]).toMatchObject({ region: EAST, alternatives: [] });
    const health = (region: RegionId) => (region === EAST ? 'down' : 'up');
    expect(planned(home, { health }).reads[0]).toMatchObject({ problem: { code: 'REGION_UNAVAILABLE' } });
  });

  test('maxLagMs leaves out copies known to lag more', () => {
    const lagMs = (region: RegionId) => (region === EAST ? 500 : region === WEST ? 50 : undefined);
    expect(planned({ ...a, maxLagMs: 100 }, { lagMs }).reads[0]).toMatchObject({
      region: WEST,
      alternatives: [EU],
    });
    expect(planned({ ...a, maxLagMs: 100 }, { lagMs: () => 101 }).reads[0]).toMatchObject({
      ticket: null,
      problem: { code: 'LAG_TOO_HIGH' },
    });
  });

  test('V6: a position travels to the region that must wait for it, for its own group only', () => {
    const position = { origin: WEST, feedEpoch: 'e', groupId: shared.id, appender: 0, sequence: 7 };
    const after = formatPosition(position);
    const { reads } = planned({ features: ['shared:a', 'slices:a'], consistency: { after } });
    expect(reads.map(read => read.ticket?.after)).toEqual([after, undefined, undefined, undefined]);
    const own = formatPosition({ ...position, groupId: slices.id });
    const sliced = planned(
      { features: ['slices:a'], consistency: { after: own } },
      { gatewayRegion: WEST },
    ).reads;
    expect(sliced.map(read => [read.region, read.ticket?.after])).toContainEqual([WEST, own]);
    expect(sliced.filter(read => read.ticket?.after !== undefined)).toHaveLength(1);
  });
});

describe('a group whose rows stay with their origin', () => {
  test('is split by its region-valued key; an unknown region is a part of its own', () => {
    const keys = { person: ['p', 'q', 'r', 'p'], residence: [WEST, EAST, 'mars', WEST] };
    const { reads } = planned({ features: ['people:a'], keys });
    expect(reads).toMatchObject([
      { region: EAST, rowIndex: [-1, 0, -1, -1], ticket: { keys: { person: ['q'], residence: [EAST] } } },
      { region: WEST, rowIndex: [0, -1, -1, 0], ticket: { keys: { person: ['p'], residence: [WEST] } } },
      { region: null, rowIndex: [-1, -1, 0, -1], ticket: null, problem: { code: 'UNKNOWN_REGION' } },
    ]);
  });

  test('without such a key every slice is asked, and a forbidden one says so', () => {
    const { reads } = planned({ features: ['slices:a'], keys: { k: ['x', 'x'] } });
    expect(reads.map(({ region, problem, rowIndex }) => [region, problem?.code, rowIndex])).toEqual([
      [EU, 'RESIDENCY_REDIRECT', [0, 0]],
      [EAST, undefined, [0, 0]],
      [WEST, undefined, [0, 0]],
    ]);
  });

  test('a slice has no substitute: its region down is a part without values', () => {
    const health = (region: RegionId) => (region === WEST ? 'down' : 'up');
    const { reads } = planned({ features: ['slices:a'] }, { health });
    expect(reads.find(({ region }) => region === WEST)).toMatchObject({
      ticket: null,
      alternatives: [],
      problem: { code: 'REGION_UNAVAILABLE' },
    });
  });
});

describe('R7 and R11: residency at the gateway', () => {
  test('a gateway outside the gateway set is told who may answer, and gets no ticket', () => {
    const { reads } = planned(a, { gatewayRegion: IN });
    expect(reads[0]).toMatchObject({ region: null, ticket: null, alternatives: [] });
    expect(reads[0]?.problem).toMatchObject({
      code: 'RESIDENCY_REDIRECT',
      extra: {
        candidates: expect.arrayContaining([
          { region: EU, publicGatewayUrl: 'https://gateway.eu-west-1.example' },
        ]),
      },
    });
    expect(JSON.stringify(reads[0]?.problem)).not.toContain('https://us-east-1.example');
  });

  test('in-domain egress lets a gateway of the same jurisdiction carry answers of that copy only', () => {
    const { reads } = planned(a, { gatewayRegion: regionId('eu-north-1') });
    expect(reads[0]).toMatchObject({ region: EU, alternatives: [] });
  });

  test('readers are judged before the gateway set: an outsider gets no candidates', () => {
    const caller = { jurisdictions: ['IN'], purposes: 'all' } as const;
    const [read] = planned(a, { gatewayRegion: IN, caller }).reads;
    expect(read).toMatchObject({ ticket: null, problem: { code: 'RESIDENCY_DENIED' } });
    expect(JSON.stringify(read)).not.toContain('candidates');
  });

  test('the purpose of the request narrows what the caller was granted', () => {
    const policies = [policy('shared', { readers: { jurisdictions: null, purposes: ['ads'] } })];
    expect(planned({ ...a, purpose: 'ads' }, { policies }).reads[0]?.ticket?.purpose).toBe('ads');
    expect(planned({ ...a, purpose: 'fraud' }, { policies }).reads[0]).toMatchObject({
      problem: { code: 'RESIDENCY_DENIED' },
    });
  });

  test('a policy that went unconfirmed for too long fails closed', () => {
    const state = testState({
      region: WEST,
      groups: [shared],
      policies: [policy('shared', { maxPolicyAgeMs: 1_000 })],
      policyConfirmedAtMs: { [EAST]: NOW_MS - 1_001 },
    });
    expect(planned(a, { state, gatewayRegion: WEST }).reads[0]).toMatchObject({
      ticket: null,
      problem: { code: 'POLICY_STALE' },
    });
  });

  test('one forbidden part does not keep the others from being read', () => {
    const policies = [
      policy('shared'),
      policy('slices', { allowed: { regions: [WEST], jurisdictions: [] }, egress: 'local-only' }),
    ];
    const { reads } = planned({ features: ['shared:a', 'slices:a'] }, { policies });
    expect(reads.map(({ ticket, problem }) => [ticket !== null, problem?.code])).toEqual([
      [true, undefined],
      [false, 'RESIDENCY_REDIRECT'],
    ]);
  });
});

test('V5: a part that was not read is REFUSED or UNAVAILABLE, never NOT_FOUND', () => {
  for (const world of [{ gatewayRegion: IN }, { health: () => 'down' as const }]) {
    const [read] = planned({ features: ['shared:a', 'shared:b'] }, world).reads;
    if (read?.problem === undefined) throw new Error('a problem is expected');
    const status = world.health === undefined ? 'REFUSED' : 'UNAVAILABLE';
    expect(unansweredPart(read, read.problem)).toMatchObject({ columns: null, statuses: [status, status] });
  }
});

test('two groups of one name are answered with their home regions', () => {
  const other = testGroup({ name: 'shared', id: 'd'.repeat(16), homeRegion: WEST });
  const state = testState({ groups: [shared, other], policies: [policy('shared')] });
  const { reads } = planned({ features: ['shared:a', 'us-west-2/shared:a'] }, { state });
  expect(reads.map(({ group }) => group)).toEqual(['us-east-1/shared', 'us-west-2/shared']);
});
