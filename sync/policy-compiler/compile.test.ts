import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { placementOf } from '@featuremesh/domain/placement';
import { regionId } from '@featuremesh/domain/region-id';
import {
  GENERATED_NOW_MS,
  GENERATED_REGIONS,
  meshStates,
  testGroup,
  testPolicy,
  testState,
} from '@featuremesh/testkit/generators/mesh-states';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compilePolicy } from './compile.ts';

const [EAST, WEST, EU] = [regionId('us-east-1'), regionId('us-west-2'), regionId('eu-west-1')];

/** The rule in its own words, from the placement alone: what of `state` may travel live between two regions. */
function travelling(state: MeshState, from: string, to: string): string[] {
  return state.groups
    .filter(group => {
      const { placement, rows } = placementOf(group, state, GENERATED_NOW_MS);
      const both = placement.some(region => region === from) && placement.some(region => region === to);
      return both && rows === 'shared' && group.definition.sync.mode === 'active-active';
    })
    .map(group => group.id);
}

test('of any mesh, a peer is sent the groups whose placement holds both regions, and no other (R1)', () => {
  fc.assert(
    fc.property(meshStates, state => {
      const policy = compilePolicy(state, GENERATED_NOW_MS);
      for (const peer of GENERATED_REGIONS.filter(region => region !== state.region)) {
        const link = policy.links.get(peer);
        const expected = travelling(state, state.region, peer).toSorted();
        expect(link?.exports.map(({ groupId }) => groupId as string).toSorted()).toEqual(expected);
        expect(link?.outSubjects.toSorted()).toEqual([...new Set(expected)].map(id => `OUT.${id}`));
        expect(policy.importable(peer).map(({ groupId }) => groupId)).toEqual(
          travelling(state, peer, state.region).toSorted(),
        );
      }
    }),
    { numRuns: 500 },
  );
});

test('of any mesh, FEED lists own rows where the region may hold them and imports where they may travel here', () => {
  fc.assert(
    fc.property(meshStates, state => {
      const { feedSubjects } = compilePolicy(state, GENERATED_NOW_MS);
      const peers = GENERATED_REGIONS.filter(region => region !== state.region);
      const expected = [
        ...state.groups
          .filter(group => placementOf(group, state, GENERATED_NOW_MS).placement.includes(state.region))
          .map(group => `FEED.${group.id}.${group.version}.own.*`),
        ...peers.flatMap(peer => travelling(state, peer, state.region).map(id => `FEED.${id}.1.in.${peer}`)),
      ];
      expect(feedSubjects.filter(subject => !subject.startsWith('FEED._cursor.')).toSorted()).toEqual(
        expected.toSorted(),
      );
    }),
    { numRuns: 500 },
  );
});

test('of any mesh, rows are accepted and shipped by origin, never to a region outside the placement', () => {
  fc.assert(
    fc.property(meshStates, state => {
      const policy = compilePolicy(state, GENERATED_NOW_MS);
      for (const group of state.groups) {
        const { placement, replicated } = placementOf(group, state, GENERATED_NOW_MS);
        for (const region of GENERATED_REGIONS)
          for (const origin of GENERATED_REGIONS) {
            const rows = { groupId: group.id, version: group.version, origin };
            const expected = placement.includes(region) && (replicated || region === origin);
            expect(policy.mayShip(rows, region)).toBe(expected);
            if (region === state.region)
              expect(policy.judgeImport({ ...rows, packedBy: 1 })).toBe(expected ? 'accept' : 'refuse');
          }
      }
      expect(policy.judgeImport({ packedBy: 1, groupId: 'zzzzzzzzzzzzzzzz', version: 1, origin: EAST })).toBe(
        'unknown',
      );
    }),
    { numRuns: 200 },
  );
});

test('S8: of any mesh, rows of a purged version are held, taken and shipped by nobody; all else stays, its placement too', () => {
  fc.assert(
    fc.property(meshStates, fc.nat(4), (state, pick) => {
      const chosen = state.groups[pick % state.groups.length];
      const groups = state.groups.map(group => (group === chosen ? purged(group) : group));
      const [before, after] = [state, { ...state, groups }].map(each =>
        compilePolicy(each, GENERATED_NOW_MS),
      );
      const others = (subjects: readonly string[] = []) =>
        subjects.filter(subject => subject.split('.')[1] !== chosen?.id);
      expect(after?.feedSubjects).toEqual(others(before?.feedSubjects));
      for (const [peer, link] of after?.links ?? []) {
        expect(link.outSubjects).toEqual(others(before?.links.get(peer)?.outSubjects));
        expect(after?.importable(peer).filter(({ groupId }) => groupId === chosen?.id)).toEqual([]);
      }
      for (const origin of GENERATED_REGIONS) {
        const rows = { groupId: chosen?.id ?? '', version: 1, origin };
        for (const region of GENERATED_REGIONS) expect(after?.mayShip(rows, region)).toBe(false);
        // Of whatever revision: what was packed later than this region knows of is not waited for.
        for (const packedBy of [1, 9]) expect(after?.judgeImport({ ...rows, packedBy })).toBe('refuse');
      }
      const placements = [state, { ...state, groups }].map(each =>
        each.groups.map(group => placementOf(group, each, GENERATED_NOW_MS).placement),
      );
      expect(placements[1]).toEqual(placements[0]);
    }),
    { numRuns: 200 },
  );
});

const purged = (group: CatalogueGroup): CatalogueGroup => ({
  ...group,
  purged: true,
  revision: group.revision + 1,
  definition: { ...group.definition, state: 'retired' },
});

test('the hash is the same for the same rules in any order, whatever the revision, and another for others (R8)', () => {
  fc.assert(
    fc.property(meshStates, state => {
      const shuffled = {
        ...state,
        revision: state.revision + 7,
        groups: state.groups.toReversed(),
        regions: state.regions.toReversed(),
      };
      expect(compilePolicy(shuffled, GENERATED_NOW_MS).hash).toBe(
        compilePolicy(state, GENERATED_NOW_MS).hash,
      );
    }),
  );
  const group = testGroup({ name: 'g', sync: { mode: 'active-active', regions: [EAST, WEST] } });
  const allow = (regions: (typeof EAST)[]) =>
    compilePolicy(
      testState({
        groups: [group],
        policies: [
          testPolicy({
            rows: 'shared',
            select: { groups: ['us-east-1/g'], tags: [], entities: [] },
            allowed: { regions, jurisdictions: [] },
          }),
        ],
      }),
      GENERATED_NOW_MS,
    );
  expect(allow([EAST]).hash).not.toBe(allow([EAST, WEST]).hash);
  // A region that policy allows and the owner does not ask for changes nothing.
  expect(allow([EAST, WEST, EU]).links.get(EU)?.exports).toEqual([]);
});

test('a policy takes effect on its date without any news', () => {
  const group = testGroup({ name: 'g', sync: { mode: 'active-active', regions: [EAST, WEST] } });
  const state = testState({
    groups: [group],
    policies: [
      testPolicy({
        rows: 'shared',
        select: { groups: ['us-east-1/g'], tags: [], entities: [] },
        allowed: { regions: [EAST, WEST], jurisdictions: [] },
        effective: { from: '2026-06-01T00:00:10Z', until: '2026-06-01T00:00:20Z' },
      }),
    ],
  });
  const subjects = (afterMs: number) =>
    compilePolicy(state, GENERATED_NOW_MS + afterMs).links.get(WEST)?.outSubjects.length;
  expect([9_999, 10_000, 19_999, 20_000].map(subjects)).toEqual([0, 1, 1, 0]);
});
