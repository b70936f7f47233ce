import { FILL_MATRICES } from '@featuremesh/contracts/region-schema';
import type { PlannedRead } from '@featuremesh/domain/read-plan';
import { type RegionId, regionId } from '@featuremesh/domain/region-id';
import { createLogger } from '@featuremesh/runtime/logger';
import { expect, test } from 'vitest';
import { meshViewOf } from '../catalogue/mesh-view.ts';
import { groupIdOf, groupOf, policyOf, regionOf, stateOf } from '../testing/mesh-fixture.ts';
import { MatrixReader, type ReadContext, representationOf } from './matrix-reader.ts';
import type { EntityAnswer, RegionAsk } from './region-asker.ts';

const EU = regionId('eu-west-1');
const US = regionId('us-east-1');
const IN = regionId('ap-south-1');
const view = meshViewOf(
  stateOf('us-east-1', {
    regions: [
      regionOf('ap-south-1', 'IN', 'http://in.test'),
      regionOf('eu-west-1', 'EU', 'http://eu.test'),
      regionOf('us-east-1', 'US', 'http://us.test'),
    ],
    groups: [
      groupOf({ name: 'shared', home: 'us-east-1', regions: ['us-east-1', 'eu-west-1'] }),
      groupOf({ name: 'pinned', home: 'eu-west-1' }),
      groupOf({
        name: 'person',
        home: 'us-east-1',
        mode: 'local',
        regions: ['us-east-1', 'eu-west-1'],
        joinKeys: [{ name: 'key', type: 'string', role: 'region' }],
      }),
    ],
    policies: [
      policyOf({ group: 'us-east-1/shared', regions: ['us-east-1', 'eu-west-1'], egress: 'proxy' }),
      policyOf({
        group: 'us-east-1/person',
        regions: ['us-east-1', 'eu-west-1'],
        rows: 'origin',
        egress: 'proxy',
      }),
    ],
  }),
);
const HOMES: Readonly<Record<string, string>> = {
  shared: 'us-east-1',
  pinned: 'eu-west-1',
  person: 'us-east-1',
};

function planned(
  name: string,
  region: RegionId,
  more: Partial<PlannedRead> & { keys?: readonly string[] } = {},
): PlannedRead {
  const { keys = ['k'], ...rest } = more;
  const groupId = groupIdOf(HOMES[name] ?? '', name);
  const ticket = { g: groupId, v: 1, f: ['a'], keys: { key: keys } };
  return {
    region,
    groupId,
    group: name,
    version: 1,
    names: ['a'],
    rowIndex: null,
    encodedKeys: [],
    ticket,
    alternatives: [],
    ...rest,
  };
}

/** Regions that answer every reference, or with a problem; what they were asked is kept. */
function reader(
  problemOf: (region: RegionId) => EntityAnswer | undefined = () => undefined,
  nowMs = { value: 0 },
) {
  const asks: RegionAsk[] = [];
  const matrices = new MatrixReader({
    clock: { monotonicMs: () => nowMs.value },
    log: createLogger({}, { level: 'silent' }),
    regions: {
      ask: async ask => {
        asks.push(ask);
        return ask.representations.map(
          text => problemOf(ask.region) ?? filled(ask.region, JSON.parse(text).read.keys.key),
        );
      },
    },
  });
  return { asks, matrices };
}

function filled(region: RegionId, keys: readonly string[]): EntityAnswer {
  const source = { region, replica: false, lagMs: 0, policyEpoch: 'e' };
  return {
    kind: 'entity',
    entity: {
      columns: [keys.map(key => `${region} ${key}`)],
      statuses: ['PRESENT'],
      eventTimes: keys.map(() => null),
      source,
      problem: null,
    },
  };
}

const context: ReadContext = {
  view,
  gatewayRegion: US,
  caller: { jurisdictions: 'all', purposes: 'all' },
  nowMs: Date.parse('2026-11-21T00:00:00Z'),
  deadlineAtMs: 1_000,
};

test('one request per region, equal tickets once, merged back to every read in its place', async () => {
  const { asks, matrices } = reader();
  const reads = [
    planned('shared', US),
    planned('shared', EU),
    planned('shared', US, { as: 'other role' }),
    planned('shared', US, { keys: ['k2'] }),
  ];
  const results = await matrices.read(reads, context);
  expect(asks.map(ask => [ask.region, ask.representations.length, ask.query])).toEqual([
    [US, 2, FILL_MATRICES],
    [EU, 1, FILL_MATRICES],
  ]);
  expect(results.map(result => result.columns)).toEqual([
    [['us-east-1 k']],
    [['eu-west-1 k']],
    [['us-east-1 k']],
    [['us-east-1 k2']],
  ]);
  expect(results[2]?.as).toBe('other role');
});

test.each([
  ['a region outside the placement', planned('pinned', US)],
  ['a holder whose answers this gateway may not carry', planned('pinned', EU)],
  ['a region that is not the residence in the key', planned('person', US, { keys: ['eu-west-1'] })],
  ['an alternative outside the placement', planned('shared', IN, { alternatives: [IN] })],
  ['a group that is not known', planned('shared', US, { groupId: 'aaaaaaaaaaaaaaaa' })],
])('a plan that names %s is stopped before anybody is asked', async (_, read) => {
  const { asks, matrices } = reader();
  const [result] = await matrices.read([read], context);
  expect(asks).toEqual([]);
  expect(result).toMatchObject({ columns: null, statuses: ['REFUSED'], problem: { code: 'MISROUTED' } });
});

test('a caller outside the readers is stopped too', async () => {
  const { asks, matrices } = reader();
  const caller = { jurisdictions: ['IN'], purposes: 'all' as const };
  const [result] = await matrices.read([planned('shared', US)], { ...context, caller });
  expect(asks).toEqual([]);
  expect(result?.problem?.code).toBe('RESIDENCY_DENIED');
});

test("failover goes along the plan's alternatives only, and only for problems that another copy may not have", async () => {
  const down = (region: RegionId): EntityAnswer | undefined =>
    region === US ? { kind: 'problem', problem: { code: 'STORE_UNAVAILABLE', detail: 'down' } } : undefined;
  const without = reader(down);
  expect((await without.matrices.read([planned('shared', US)], context))[0]?.problem?.code).toBe(
    'STORE_UNAVAILABLE',
  );
  expect(without.asks).toHaveLength(1);
  const withOne = reader(down);
  const [result] = await withOne.matrices.read([planned('shared', US, { alternatives: [EU] })], context);
  expect(result).toMatchObject({ region: EU, columns: [['eu-west-1 k']], source: { region: EU } });
  const wrongKey = reader(() => ({ kind: 'problem', problem: { code: 'INVALID_KEY', detail: 'no string' } }));
  const [refused] = await wrongKey.matrices.read([planned('shared', US, { alternatives: [EU] })], context);
  expect([wrongKey.asks.length, refused?.statuses]).toEqual([1, ['REFUSED']]);
});

test('past the deadline nobody is asked; before it, a part with another copy keeps half of the time', async () => {
  const late = reader(undefined, { value: 1_000 });
  const [result] = await late.matrices.read([planned('shared', US)], context);
  expect([late.asks, result?.problem?.code]).toEqual([[], 'DEADLINE_EXCEEDED']);
  const early = reader();
  await early.matrices.read([planned('shared', US, { alternatives: [EU] })], context);
  expect(early.asks[0]?.timeoutMs).toBe(500);
});

test('a malformed matrix is unavailable, never values', async () => {
  const good = filled(US, ['k']);
  if (good.kind !== 'entity') throw new Error('not an entity');
  for (const wrong of [
    { columns: [] },
    { columns: [['a', 'b']] },
    { statuses: ['FINE'] },
    { eventTimes: null },
    { source: null },
    { source: { region: EU } },
  ]) {
    const { matrices } = reader(() => ({ kind: 'entity', entity: { ...good.entity, ...wrong } }));
    const [result] = await matrices.read([planned('shared', US)], context);
    expect(result).toMatchObject({
      columns: null,
      statuses: ['UNAVAILABLE'],
      problem: { code: 'REGION_UNAVAILABLE' },
    });
  }
});

test('a representation is the reference that the region contract names', () => {
  const { ticket } = planned('shared', US);
  expect(ticket && JSON.parse(representationOf(US, ticket))).toEqual({
    __typename: 'FeatureMatrix',
    region: US,
    read: ticket,
  });
});
