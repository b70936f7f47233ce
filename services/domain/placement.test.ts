import {
  GENERATED_NOW_MS as NOW_MS,
  GENERATED_REGIONS as REGIONS,
  testGroup,
  testPolicy,
  testState,
} from '@featuremesh/testkit/generators/mesh-states';
import { describe, expect, test } from 'vitest';
import { gatewaySet, mayHold, mayRead, Placements, placementOf, policyIsStale } from './placement.ts';
import type { PolicyDocument } from './policy.ts';
import { regionId } from './region-id.ts';

const [EAST, WEST, EU] = ['us-east-1', 'us-west-2', 'eu-west-1'].map(regionId) as [never, never, never];
const everywhere = { mode: 'active-active' as const, regions: [EAST, WEST, EU] };
const onG = { groups: ['us-east-1/g'], tags: [], entities: [] };
const open: Partial<PolicyDocument> = {
  select: onG,
  allowed: { regions: [EAST, WEST, EU], jurisdictions: [] },
  rows: 'shared',
};
const all = { jurisdictions: 'all', purposes: 'all' } as const;

function placed(group: Parameters<typeof testGroup>[0], ...policies: Partial<PolicyDocument>[]) {
  const entry = testGroup(group);
  const records = policies.map((policy, i) => testPolicy({ name: `p${i}`, ...policy }));
  const state = testState({ groups: [entry], policies: records });
  return { entry, state, placement: placementOf(entry, state, NOW_MS) };
}

describe('R1: default deny', () => {
  test('without a policy a group stays at home, whatever the owner wishes', () => {
    const { placement, state } = placed({ sync: everywhere });
    expect(placement.allowed).toEqual([EAST]);
    expect(placement.placement).toEqual([EAST]);
    expect(gatewaySet(placement, EAST, state)).toEqual([EAST]);
    expect(mayRead(placement, { jurisdictions: ['EU'], purposes: 'all' }, EAST, state)).toBe(false);
    expect(mayRead(placement, { jurisdictions: ['US'], purposes: 'all' }, EAST, state)).toBe(true);
  });

  test.each([
    ['only proposed', { ...open }, 0],
    ['not yet begun', { ...open, effective: { from: '2026-06-02T00:00:00Z', until: null } }, 1],
    ['expired', { ...open, effective: { from: '2026-01-01T00:00:00Z', until: '2026-05-01T00:00:00Z' } }, 1],
    ['of another home', { ...open, home: WEST }, 1],
    ['of another group', { ...open, select: { ...onG, groups: ['us-east-1/h'] } }, 1],
  ])('a policy that is %s permits nothing', (_, policy, epoch) => {
    const entry = testGroup({ sync: everywhere });
    const state = testState({ groups: [entry], policies: [testPolicy(policy, epoch)] });
    expect(placementOf(entry, state, NOW_MS).allowed).toEqual([EAST]);
  });
});

describe('placement', () => {
  test('is what policy allows and the owner wishes, home always wished', () => {
    const wishes = { sync: { mode: 'active-active' as const, regions: [WEST] } };
    expect(placed(wishes, open).placement.placement).toEqual([EAST, WEST]);
    const { placement } = placed(wishes, { ...open, allowed: { regions: [WEST, EU], jurisdictions: [] } });
    expect(placement.placement).toEqual([WEST]);
  });

  test('follows jurisdictions, and nothing is allowed where neither list names anything', () => {
    const byLaw = placed({ sync: everywhere }, { ...open, allowed: { regions: [], jurisdictions: ['EU'] } });
    expect(byLaw.placement.allowed).toEqual(['eu-north-1', EU]);
    expect(byLaw.placement.placement).toEqual([EU]);
    const empty = placed({ sync: everywhere }, { ...open, allowed: { regions: [], jurisdictions: [] } });
    expect(empty.placement.placement).toEqual([]);
  });

  test('replicates only active-active groups whose rows are shared', () => {
    expect(placed({ sync: everywhere }, open).placement.replicated).toBe(true);
    expect(placed({ sync: { ...everywhere, mode: 'local' } }, open).placement.replicated).toBe(false);
    expect(placed({ sync: everywhere }, { ...open, rows: 'origin' }).placement.replicated).toBe(false);
  });

  test('rows stay with their origin unless they are replicated', () => {
    const { placement: shared } = placed({ sync: everywhere }, open);
    expect(mayHold(shared, WEST, EAST)).toBe(true);
    expect(mayHold(shared, regionId('ap-south-1'), EAST)).toBe(false);
    const { placement: pinned } = placed({ sync: everywhere }, { ...open, rows: 'origin' });
    expect(mayHold(pinned, WEST, EAST)).toBe(false);
    expect(mayHold(pinned, WEST, WEST)).toBe(true);
    expect(mayHold(pinned, regionId('ap-south-1'), regionId('ap-south-1'))).toBe(false);
  });

  test('the strictest of each field wins', () => {
    const { placement } = placed(
      { sync: everywhere },
      {
        ...open,
        egress: 'proxy',
        maxPolicyAgeMs: 5_000,
        readers: { jurisdictions: ['US', 'EU'], purposes: ['ads'] },
      },
      {
        ...open,
        allowed: { regions: [], jurisdictions: ['US'] },
        egress: 'in-domain',
        visibility: 'opaque',
        readers: { jurisdictions: ['US', 'IN'], purposes: null },
      },
    );
    expect(placement).toMatchObject({
      allowed: [EAST, WEST],
      egress: 'in-domain',
      visibility: 'opaque',
      maxPolicyAgeMs: 5_000,
      readers: { jurisdictions: ['US'], purposes: ['ads'], byPlacement: false },
    });
  });

  test('of one name, the newest version that has begun counts, also while its successor waits for its date', () => {
    const entry = testGroup({ sync: everywhere });
    const wide = testPolicy({
      ...open,
      version: 2,
      effective: { from: '2026-07-01T00:00:00Z', until: null },
    });
    const narrow = testPolicy({ ...open, allowed: { regions: [EAST], jurisdictions: [] }, version: 1 });
    const placements = new Placements(testState({ groups: [entry], policies: [wide, narrow] }));
    expect(placements.of(entry, NOW_MS).placement).toEqual([EAST]);
    expect(placements.of(entry, Date.parse('2026-07-01T00:00:00Z')).placement).toEqual([EU, EAST, WEST]);
    expect(placements.of(entry, NOW_MS).placement).toEqual([EAST]);
  });

  test('the policy epoch changes with the policies in force and with nothing else', () => {
    const one = placed({ sync: everywhere }, open).placement.policyEpoch;
    expect(placed({ sync: { ...everywhere, mode: 'local' } }, open).placement.policyEpoch).toBe(one);
    expect(placed({ sync: everywhere }, open, { ...open, egress: 'proxy' }).placement.policyEpoch).not.toBe(
      one,
    );
    expect(placed({ sync: everywhere }).placement.policyEpoch).not.toBe(one);
    expect(one).toMatch(/^[0-9a-f]{16}$/);
  });
});

describe('R6: derived groups', () => {
  const input = testGroup({ name: 'secret', id: 'b'.repeat(16), sync: everywhere });
  const middle = testGroup({ name: 'm', id: 'c'.repeat(16), inputs: ['secret'], sync: everywhere });
  const derived = testGroup({ name: 'g', inputs: ['us-east-1/m'], sync: everywhere });
  const openTo = (name: string) =>
    testPolicy({ ...open, name, select: { ...onG, groups: [`us-east-1/${name}`] } });

  test('inherit every restriction of their inputs, transitively', () => {
    const pinned = testPolicy({
      name: 'pin',
      select: { ...onG, groups: ['us-east-1/secret'] },
      allowed: { regions: [EAST, WEST], jurisdictions: [] },
      rows: 'origin',
      visibility: 'hidden',
    });
    const state = testState({
      groups: [input, middle, derived],
      policies: [pinned, openTo('m'), openTo('g')],
    });
    expect(placementOf(derived, state, NOW_MS)).toMatchObject({
      allowed: [EAST, WEST],
      rows: 'origin',
      egress: 'local-only',
      visibility: 'hidden',
    });
  });

  test('an input without policy keeps them at its home', () => {
    const state = testState({ groups: [input, middle, derived], policies: [openTo('m'), openTo('g')] });
    expect(placementOf(derived, state, NOW_MS).allowed).toEqual([EAST]);
  });

  test('an input that is not known here leaves nothing', () => {
    const state = testState({ groups: [derived], policies: [openTo('g')] });
    expect(placementOf(derived, state, NOW_MS).placement).toEqual([]);
  });
});

describe('the gateway set', () => {
  test.each([
    ['local-only', [EU, EAST, WEST]],
    ['in-domain', ['eu-north-1', EU, EAST, WEST]],
    ['proxy', ['ap-south-1', 'eu-north-1', EU, EAST, WEST]],
  ] as const)('of a shared group with egress %s, asked of an EU copy', (egress, expected) => {
    const { placement, state } = placed({ sync: everywhere }, { ...open, egress });
    expect([...gatewaySet(placement, EU, state)].toSorted()).toEqual(expected);
  });

  test.each([
    ['local-only', [WEST]],
    ['in-domain', [EAST, WEST]],
    ['proxy', [...REGIONS].toSorted()],
  ] as const)('of a slice is its own region and what egress %s adds', (egress, expected) => {
    const { placement, state } = placed({ sync: everywhere }, { ...open, rows: 'origin', egress });
    expect([...gatewaySet(placement, WEST, state)].toSorted()).toEqual(expected);
  });

  test('is empty for a region outside the placement', () => {
    const { placement, state } = placed({ sync: everywhere }, { ...open, egress: 'proxy' });
    expect(gatewaySet(placement, regionId('ap-south-1'), state)).toEqual([]);
  });
});

describe('R11: readers', () => {
  test('default to the jurisdictions of the placement, or of the own region where rows stay', () => {
    const shared = placed({ sync: everywhere }, open);
    const us = { jurisdictions: ['US'], purposes: 'all' } as const;
    expect(mayRead(shared.placement, us, EU, shared.state)).toBe(true);
    const pinned = placed({ sync: everywhere }, { ...open, rows: 'origin' });
    expect(mayRead(pinned.placement, us, EU, pinned.state)).toBe(false);
    expect(mayRead(pinned.placement, us, WEST, pinned.state)).toBe(true);
  });

  test('a list that policy states replaces the default, but not where another policy left it', () => {
    const readers = { jurisdictions: ['IN'], purposes: null };
    const india = { jurisdictions: ['IN'], purposes: 'all' } as const;
    const stated = placed({ sync: everywhere }, { ...open, readers });
    expect(mayRead(stated.placement, india, EU, stated.state)).toBe(true);
    const both = placed({ sync: everywhere }, { ...open, readers }, open);
    expect(mayRead(both.placement, india, EU, both.state)).toBe(false);
  });

  test('purposes: an omitted one means all that were granted, a named one must be granted and permitted', () => {
    const { placement, state } = placed(
      { sync: everywhere },
      { ...open, readers: { jurisdictions: null, purposes: ['ads', 'fraud'] } },
    );
    const may = (caller: object) => mayRead(placement, { ...all, ...caller }, EAST, state);
    expect(may({})).toBe(true);
    expect(may({ purposes: ['other', 'ads'] })).toBe(true);
    expect(may({ purposes: ['other'] })).toBe(false);
    expect(may({ purpose: 'fraud' })).toBe(true);
    expect(may({ purpose: 'other' })).toBe(false);
    expect(may({ purposes: ['ads'], purpose: 'fraud' })).toBe(false);
  });

  test('lists without a common member admit nobody, not even a caller without authentication', () => {
    const { placement, state } = placed(
      { sync: everywhere },
      { ...open, readers: { jurisdictions: ['US'], purposes: null } },
      { ...open, readers: { jurisdictions: ['EU'], purposes: null } },
    );
    expect(mayRead(placement, all, EAST, state)).toBe(false);
  });
});

describe('maxPolicyAge', () => {
  const remote = testGroup({ name: 'r', homeRegion: WEST, sync: everywhere });
  const policy = testPolicy({
    ...open,
    home: WEST,
    select: { ...onG, groups: ['us-west-2/r'] },
    maxPolicyAgeMs: 60_000,
  });

  test.each([
    [undefined, true],
    [NOW_MS - 60_001, true],
    [NOW_MS - 60_000, false],
  ])('a home last heard of at %s is stale: %s', (confirmedAtMs, expected) => {
    const policyConfirmedAtMs = confirmedAtMs === undefined ? {} : { [WEST]: confirmedAtMs };
    const state = testState({ groups: [remote], policies: [policy], policyConfirmedAtMs });
    expect(policyIsStale(placementOf(remote, state, NOW_MS), state, NOW_MS)).toBe(expected);
  });

  test('the own region always knows its own policy', () => {
    const { placement, state } = placed({ sync: everywhere }, { ...open, maxPolicyAgeMs: 1 });
    expect(policyIsStale(placement, state, NOW_MS)).toBe(false);
  });
});
