import {
  meshStates,
  GENERATED_NOW_MS as NOW_MS,
  testGroup,
  testPolicy,
  testState,
} from '@featuremesh/testkit/generators/mesh-states';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CatalogueEntry } from './catalogue-entry.ts';
import { listedAs } from './catalogue-view.ts';
import type { MeshState } from './mesh-state.ts';
import { placementOf } from './placement.ts';
import { type Publication, publicationTo, withheldFromHolders } from './publication.ts';
import { type RegionId, regionId } from './region-id.ts';

const [EAST, WEST, EUROPE] = ['us-east-1', 'us-west-2', 'eu-west-1'].map(regionId) as [
  RegionId,
  RegionId,
  RegionId,
];

/** What a home would have in its registry, numbered as it came. */
function entriesOf(state: MeshState, home: RegionId): CatalogueEntry[] {
  const own: CatalogueEntry[] = [
    ...state.groups.map(group => ({
      kind: 'group' as const,
      home: group.definition.homeRegion,
      sequence: 0,
      group,
    })),
    ...state.policies.map(policy => ({
      kind: 'policy' as const,
      home: policy.document.home,
      sequence: 0,
      policy,
    })),
    ...['e', 'f'].map(name => ({
      kind: 'entity' as const,
      home,
      sequence: 0,
      entity: {
        homeRegion: home,
        definition: { name, joinKeys: [{ name: 'k', type: 'string' as const }], subject: false },
      },
    })),
  ];
  return own.filter(entry => entry.home === home).map((entry, at) => ({ ...entry, sequence: at + 1 }));
}

function publish(state: MeshState, home: RegionId, receiver: RegionId): Publication {
  const world = { state: { ...state, region: home }, entries: entriesOf(state, home), nowMs: NOW_MS };
  return publicationTo(receiver, world);
}

const byRegions = fc.tuple(meshStates, fc.nat(4), fc.nat(4)).map(([state, home, receiver]) => ({
  state,
  home: state.regions[home]?.id ?? EAST,
  receiver: state.regions[receiver]?.id ?? WEST,
}));

test('C1: of any mesh, nothing that a region is told names a group that it may not know', () => {
  fc.assert(
    fc.property(byRegions, ({ state, home, receiver }) => {
      fc.pre(home !== receiver);
      const { entries } = publish(state, home, receiver);
      const text = JSON.stringify(entries);
      for (const group of state.groups) {
        const { visibility, placement } = placementOf(group, state, NOW_MS);
        const { homeRegion, name } = group.definition;
        if (visibility === 'full' || placement.includes(receiver) || homeRegion === receiver) continue;
        expect(text).not.toMatch(new RegExp(`[/"]${name}["@]`));
      }
    }),
    { numRuns: 400 },
  );
});

test('C5: nobody judges a group that it is told by less than its home does', () => {
  fc.assert(
    fc.property(byRegions, ({ state, receiver }) => {
      const told = state.regions.flatMap(({ id }) =>
        id === receiver ? entriesOf(state, id) : publish(state, id, receiver).entries,
      );
      const there: MeshState = {
        ...state,
        region: receiver,
        groups: told.flatMap(entry => (entry.kind === 'group' ? [entry.group] : [])),
        policies: told.flatMap(entry =>
          entry.kind === 'policy' && entry.policy.epoch > 0 ? [entry.policy] : [],
        ),
      };
      for (const group of there.groups) {
        const at = placementOf(group, there, NOW_MS);
        const home = placementOf(group, state, NOW_MS);
        // What is computed from something that the receiver may no longer know is left there without any placement: the strictest.
        if (at.allowed.length === 0) continue;
        expect({ ...at, policyEpoch: '' }).toEqual({ ...home, policyEpoch: '' });
      }
    }),
    { numRuns: 400 },
  );
});

test('the view lists exactly what is told, and every entry by its number', () => {
  fc.assert(
    fc.property(byRegions, ({ state, home, receiver }) => {
      fc.pre(home !== receiver);
      const { view, entries } = publish(state, home, receiver);
      const told = new Map(entries.map(entry => [entry.serial ?? entry.sequence, entry.kind]));
      for (const { sequence } of entriesOf(state, home)) {
        const kind = told.get(sequence);
        const expected = kind === undefined ? 'hidden' : kind === 'opaque-group' ? 'opaque' : 'full';
        expect(listedAs(view.view, sequence)).toBe(expected);
      }
    }),
  );
});

describe('by hand', () => {
  const payroll = testGroup({
    id: 'aaaaaaaaaaaaaaaa',
    name: 'payroll',
    entities: ['employee'],
    sync: { mode: 'active-active', regions: [EAST, WEST] },
  });
  const derived = testGroup({
    id: 'bbbbbbbbbbbbbbbb',
    name: 'derived',
    inputs: [`${EAST}/payroll`],
    sync: payroll.definition.sync,
  });
  const policy = (visibility: 'full' | 'opaque' | 'hidden', more = {}) =>
    testPolicy({
      name: 'salaries',
      rows: 'shared',
      visibility,
      select: { groups: [`${EAST}/payroll`], tags: [], entities: [] },
      allowed: { regions: [EAST, WEST, regionId('ap-south-1')], jurisdictions: [] },
      ...more,
    });
  const entity = { homeRegion: EAST, definition: { name: 'employee', joinKeys: [], subject: true } };
  const service = {
    id: 's',
    version: 1,
    definition: { name: 'raises', homeRegion: EAST, tags: [], features: [] },
    resolved: [{ groupId: payroll.id, groupVersion: 1, features: [], keys: {} }],
  };
  const kinds = (visibility: 'full' | 'opaque' | 'hidden', receiver: RegionId) => {
    const record = policy(visibility);
    const state = testState({
      groups: [payroll, derived],
      policies: [record],
      entities: [entity],
      services: [service],
    });
    const entries: CatalogueEntry[] = [
      { kind: 'entity', home: EAST, sequence: 1, entity },
      { kind: 'group', home: EAST, sequence: 2, group: payroll },
      { kind: 'group', home: EAST, sequence: 3, group: derived },
      { kind: 'service', home: EAST, sequence: 4, service },
      { kind: 'policy', home: EAST, sequence: 5, policy: record },
    ];
    const told = publicationTo(receiver, { state, entries, nowMs: NOW_MS });
    return { kinds: told.entries.map(({ kind }) => kind), epoch: told.view.view.policyEpoch, told };
  };

  test('full is told to all; opaque is an id outside the placement; hidden is nothing outside the allowed regions', () => {
    const all = ['entity', 'group', 'group', 'service', 'policy'];
    expect(kinds('full', EUROPE).kinds).toEqual(all);
    // What is computed from it has no policy of its own, so its rows stay at home and the rest knows as little of it.
    expect(kinds('opaque', WEST).kinds).toEqual(['entity', 'group', 'opaque-group', 'service', 'policy']);
    expect(kinds('hidden', WEST).kinds).toEqual(['entity', 'group', 'service', 'policy']);
    expect(kinds('opaque', EUROPE).kinds).toEqual(['opaque-group', 'opaque-group']);
    expect(kinds('hidden', regionId('ap-south-1')).kinds).toEqual(['opaque-group']);
    expect(kinds('hidden', EUROPE).kinds).toEqual([]);
    expect(kinds('hidden', EUROPE).told.view.view).toMatchObject({ full: [], opaque: [] });
  });

  test('of an opaque group only id, version and home are told, and no policy epoch that is not told', () => {
    const { told, epoch } = kinds('opaque', EUROPE);
    expect(told.entries[0]).toEqual({
      kind: 'opaque-group',
      home: EAST,
      sequence: 2,
      serial: 2,
      group: { id: payroll.id, version: 1, homeRegion: EAST },
    });
    expect([epoch, kinds('opaque', WEST).epoch]).toEqual([0, 1]);
  });

  test('a policy is not told without the version that replaced it', () => {
    const employees = { groups: [], tags: [], entities: ['employee'] };
    const open = policy('full', { version: 1, select: { groups: [], tags: ['public'], entities: [] } });
    const closed = policy('hidden', {
      version: 2,
      select: employees,
      allowed: { regions: [EAST], jurisdictions: [] },
    });
    const state = testState({ groups: [payroll], policies: [open, closed] });
    const { entries } = publish(state, EAST, WEST);
    expect(entries.filter(({ kind }) => kind === 'policy')).toEqual([]);
  });

  test('a policy that names a hidden group beside one that a region holds would blind that region', () => {
    const open = testGroup({
      id: 'cccccccccccccccc',
      name: 'open',
      sync: { mode: 'active-active', regions: [EAST, EUROPE] },
    });
    const both = testPolicy(
      {
        name: 'both',
        rows: 'shared',
        select: { groups: [`${EAST}/payroll`, `${EAST}/open`], tags: [], entities: [] },
        allowed: { regions: [EAST, WEST, EUROPE], jurisdictions: [] },
      },
      2,
    );
    const state = testState({ groups: [payroll, open], policies: [policy('hidden'), both] });
    expect(withheldFromHolders(state, NOW_MS)).toEqual([{ group: `${EAST}/open`, region: EUROPE }]);
    expect(withheldFromHolders({ ...state, policies: [policy('hidden')] }, NOW_MS)).toEqual([]);
  });
});
