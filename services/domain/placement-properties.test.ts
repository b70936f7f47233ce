import {
  meshStates,
  GENERATED_NOW_MS as NOW_MS,
  policyDocuments,
  GENERATED_REGIONS as REGIONS,
  readCallers,
  testPolicy,
} from '@featuremesh/testkit/generators/mesh-states';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CatalogueGroup } from './feature-group.ts';
import type { MeshState } from './mesh-state.ts';
import { gatewaySet, mayHold, mayRead, placementOf, type ReadCaller } from './placement.ts';
import type { PolicyDocument, PolicyRecord } from './policy.ts';
import { comparePolicies } from './policy-rules.ts';

const nameOf = ({ definition }: CatalogueGroup) => `${definition.homeRegion}/${definition.name}`;
const namesOf = (state: MeshState) => state.groups.map(nameOf);

/** A document over the state's groups, drawn together with the state. */
const statesWithPolicy = meshStates.chain(state =>
  fc.tuple(fc.constant(state), policyDocuments(namesOf(state)), policyDocuments(namesOf(state))),
);

/** The oracle: written from the words of A6, region by region, sharing nothing with the product's rules but the types. */
function inForceNaively(state: MeshState, group: CatalogueGroup, atMs: number): PolicyDocument[] {
  const begun = state.policies.filter(
    ({ document, epoch }) => epoch > 0 && new Date(document.effective.from).getTime() <= atMs,
  );
  return begun
    .filter(one =>
      begun.every(
        other =>
          other.document.home !== one.document.home ||
          other.document.name !== one.document.name ||
          other.document.version < one.document.version ||
          (other.document.version === one.document.version && begun.indexOf(one) <= begun.indexOf(other)),
      ),
    )
    .map(({ document }) => document)
    .filter(({ effective }) => effective.until === null || atMs < new Date(effective.until).getTime())
    .filter(
      ({ home, select }) =>
        home === group.definition.homeRegion &&
        (select.groups.includes(nameOf(group)) ||
          select.entities.some(name => group.definition.entities.includes(name))),
    );
}

function permitsNaively(state: MeshState, group: CatalogueGroup, region: string, atMs: number): boolean {
  const documents = inForceNaively(state, group, atMs);
  const jurisdiction = state.regions.find(({ id }) => id === region)?.jurisdiction;
  const own =
    documents.length === 0
      ? region === group.definition.homeRegion
      : documents.every(({ allowed }) =>
          allowed.regions.length > 0
            ? allowed.regions.some(id => id === region)
            : allowed.jurisdictions.some(one => one === jurisdiction),
        );
  if (!own || group.definition.inputs === 'external') return own;
  return group.definition.inputs.every(reference => {
    const input = state.groups.find(candidate => nameOf(candidate) === reference);
    return input !== undefined && permitsNaively(state, input, region, atMs);
  });
}

/** What a state lets anybody do with a group, as a set of facts: fewer facts are stricter. */
function permissions(state: MeshState, group: CatalogueGroup, atMs: number, caller: ReadCaller): Set<string> {
  const placement = placementOf(group, state, atMs);
  const facts = new Set<string>();
  for (const region of REGIONS) {
    if (placement.placement.includes(region)) facts.add(`held in ${region}`);
    for (const gateway of gatewaySet(placement, region, state)) facts.add(`${region} through ${gateway}`);
    for (const origin of REGIONS) if (mayHold(placement, region, origin)) facts.add(`${region} of ${origin}`);
    if (placement.placement.includes(region) && mayRead(placement, caller, region, state))
      facts.add(`read ${region}`);
  }
  if (placement.visibility !== 'hidden') facts.add('seen');
  if (placement.visibility === 'full') facts.add('seen in full');
  if ((placement.maxPolicyAgeMs ?? Infinity) > 1_000) facts.add('older than 1 s');
  if ((placement.maxPolicyAgeMs ?? Infinity) > 60_000) facts.add('older than 60 s');
  return facts;
}

const withPolicies = (state: MeshState, policies: readonly PolicyRecord[]): MeshState => ({
  ...state,
  policies,
});
const times = fc.constantFrom(-9, -2, 0, 4, 20).map(days => NOW_MS + days * 86_400_000);

describe('placement properties', () => {
  test('R1: a region is allowed exactly where the oracle says so', () => {
    fc.assert(
      fc.property(meshStates, times, (state, atMs) => {
        for (const group of state.groups) {
          const { allowed, placement } = placementOf(group, state, atMs);
          for (const region of REGIONS) {
            const permitted = permitsNaively(state, group, region, atMs);
            expect(allowed.includes(region)).toBe(permitted);
            const { sync, homeRegion } = group.definition;
            const wished = region === homeRegion || sync.regions.includes(region);
            expect(placement.includes(region)).toBe(permitted && wished);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('R6: a derived group is allowed nowhere where one of its inputs is not, and is no looser in any field', () => {
    fc.assert(
      fc.property(meshStates, state => {
        for (const group of state.groups) {
          if (group.definition.inputs === 'external') continue;
          const derived = placementOf(group, state, NOW_MS);
          for (const reference of group.definition.inputs) {
            const input = state.groups.find(candidate => nameOf(candidate) === reference);
            if (input === undefined) throw new Error('generated inputs exist');
            const source = placementOf(input, state, NOW_MS);
            expect(source.allowed).toEqual(expect.arrayContaining([...derived.placement]));
            if (source.rows === 'origin') expect(derived.rows).toBe('origin');
            if (source.egress === 'local-only') expect(derived.egress).toBe('local-only');
            if (source.readers.byPlacement) expect(derived.readers.byPlacement).toBe(true);
            expect(derived.maxPolicyAgeMs ?? Infinity).toBeLessThanOrEqual(source.maxPolicyAgeMs ?? Infinity);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('R1: intersection is commutative: the order of policies changes nothing', () => {
    fc.assert(
      fc.property(meshStates, fc.nat(), (state, seed) => {
        const distinct = state.policies.filter(
          (one, i) =>
            !state.policies.some(
              (other, j) =>
                j < i &&
                other.document.home === one.document.home &&
                other.document.name === one.document.name &&
                other.document.version === one.document.version,
            ),
        );
        const turned = distinct
          .map((_, i) => distinct[(i + seed) % distinct.length])
          .filter(one => one !== undefined);
        for (const group of state.groups) {
          const there = placementOf(group, withPolicies(state, distinct), NOW_MS);
          expect(placementOf(group, withPolicies(state, turned), NOW_MS)).toEqual(there);
          expect(placementOf(group, withPolicies(state, distinct.toReversed()), NOW_MS)).toEqual(there);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('R1: intersection is monotone: one more policy over groups that have one never widens anything', () => {
    fc.assert(
      fc.property(statesWithPolicy, readCallers, ([state, drawn], caller) => {
        const covered = state.groups.filter(group => inForceNaively(state, group, NOW_MS).length > 0);
        const groups = covered.map(nameOf).filter(name => name.startsWith(`${drawn.home}/`));
        const added = testPolicy({ ...drawn, name: 'new', select: { groups, tags: [], entities: [] } });
        const after = withPolicies(state, [...state.policies, added]);
        for (const group of state.groups) {
          const before = permissions(state, group, NOW_MS, caller);
          for (const fact of permissions(after, group, NOW_MS, caller)) expect(before).toContain(fact);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('R5: what is not classed as a loosening permits nothing new, at any time, to anybody', () => {
    let tightenings = 0;
    fc.assert(
      fc.property(
        statesWithPolicy,
        readCallers,
        times,
        fc.boolean(),
        ([state, first, second], caller, atMs, replaces) => {
          const others = state.policies.filter(({ document }) => document.name !== first.name);
          const previous = replaces ? { ...first, version: 1 } : undefined;
          const next = { ...narrowed(first, second), version: 2 };
          const known = previous === undefined ? others : [...others, testPolicy(previous)];
          const before = withPolicies(state, known);
          if (comparePolicies(previous, next, before) === 'loosening') return;
          tightenings++;
          const after = withPolicies(state, [...known, testPolicy(next)]);
          for (const group of state.groups) {
            const permitted = permissions(before, group, atMs, caller);
            for (const fact of permissions(after, group, atMs, caller)) expect(permitted).toContain(fact);
          }
        },
      ),
      { numRuns: 3_000 },
    );
    expect(tightenings).toBeGreaterThan(100);
  });
});

/** The first document with some fields of the second, so that tightenings are drawn as often as loosenings. */
function narrowed(first: PolicyDocument, second: PolicyDocument): PolicyDocument {
  const pick = second.version;
  return {
    ...first,
    allowed: pick === 1 ? first.allowed : second.allowed,
    ...(pick === 2 ? { egress: second.egress, rows: second.rows, readers: second.readers } : {}),
    ...(pick === 3
      ? { visibility: second.visibility, maxPolicyAgeMs: second.maxPolicyAgeMs, select: second.select }
      : {}),
    effective: {
      from: second.effective.from,
      until: pick === 3 ? second.effective.until : first.effective.until,
    },
  };
}
