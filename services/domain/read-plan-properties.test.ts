import {
  meshStates,
  GENERATED_NOW_MS as NOW_MS,
  GENERATED_REGIONS as REGIONS,
  readCallers,
} from '@featuremesh/testkit/generators/mesh-states';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MeshState } from './mesh-state.ts';
import { gatewaySet, mayRead, placementOf, policyIsStale } from './placement.ts';
import { type PlannedRead, planRead, type ReadWorld, type RegionHealth } from './read-plan.ts';

const worlds = fc
  .record({
    state: meshStates,
    gateway: fc.nat(REGIONS.length - 1),
    caller: readCallers,
    health: fc.array(fc.constantFrom<RegionHealth>('up', 'down', 'unknown'), { minLength: 5, maxLength: 5 }),
    distances: fc.array(fc.nat(200), { minLength: 5, maxLength: 5 }),
  })
  .map(({ state, gateway, caller, health, distances }): ReadWorld => {
    const gatewayRegion = REGIONS[gateway] ?? state.region;
    return {
      state: { ...state, region: gatewayRegion },
      gatewayRegion,
      nowMs: NOW_MS,
      caller,
      health: region => health[REGIONS.indexOf(region)] ?? 'unknown',
      distance: region => distances[REGIONS.indexOf(region)] ?? 0,
    };
  });

const keyLists = fc.array(
  fc.tuple(fc.constantFrom('k1', 'k2', 'k3'), fc.constantFrom<string>(...REGIONS, 'mars')),
  { minLength: 1, maxLength: 12 },
);

const scenarios = fc.tuple(worlds, keyLists);

/** Plans a read of every group of the state over the same rows. */
function readsOf(world: ReadWorld, rows: readonly (readonly [string, string])[]): readonly PlannedRead[] {
  const features = world.state.groups.map(
    ({ definition }) => `${definition.homeRegion}/${definition.name}:a`,
  );
  const keys = { k: rows.map(([k]) => k), where: rows.map(([, where]) => where) };
  const plan = planRead({ features, keys }, world);
  if (!plan.ok) throw new Error(plan.problem.detail);
  expect(plan.value.rows).toBe(rows.length);
  return plan.value.reads;
}

function groupOf(state: MeshState, read: PlannedRead) {
  const group = state.groups.find(({ id }) => id === read.groupId);
  if (group === undefined) throw new Error('a planned group is known');
  return { group, placement: placementOf(group, state, NOW_MS) };
}

/** Every region that a part may contact. */
const contacted = (read: PlannedRead) =>
  read.ticket === null || read.region === null ? [] : [read.region, ...read.alternatives];

describe('read plan properties', () => {
  test('R1: no ticket and no alternative goes outside the placement, nor to a region that is down', () => {
    fc.assert(
      fc.property(scenarios, ([world, rows]) => {
        for (const read of readsOf(world, rows)) {
          for (const region of contacted(read)) {
            expect(groupOf(world.state, read).placement.placement).toContain(region);
            expect(world.health(region)).not.toBe('down');
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('R7, R11: nobody is contacted where the gateway, the caller or a stale policy forbids it, and no keys are planned', () => {
    let refused = 0;
    fc.assert(
      fc.property(scenarios, ([world, rows]) => {
        for (const read of readsOf(world, rows)) {
          const { placement } = groupOf(world.state, read);
          for (const region of contacted(read)) {
            expect(gatewaySet(placement, region, world.state)).toContain(world.gatewayRegion);
            expect(mayRead(placement, world.caller, region, world.state)).toBe(true);
            expect(policyIsStale(placement, world.state, NOW_MS)).toBe(false);
          }
          expect(read.ticket === null).toBe(read.problem !== undefined);
          if (read.ticket !== null) continue;
          refused++;
          expect(read.alternatives).toEqual([]);
          expect(JSON.stringify(read)).not.toMatch(/"k[123]"/);
        }
      }),
      { numRuns: 500 },
    );
    expect(refused).toBeGreaterThan(100);
  });

  test('R11: a caller outside the readers of every copy learns of no candidate', () => {
    fc.assert(
      fc.property(scenarios, ([world, rows]) => {
        for (const read of readsOf(world, rows)) {
          const { placement } = groupOf(world.state, read);
          const holders = read.region === null ? placement.placement : [read.region];
          if (holders.some(holder => mayRead(placement, world.caller, holder, world.state))) continue;
          expect(['RESIDENCY_DENIED', 'POLICY_STALE', 'UNKNOWN_REGION']).toContain(read.problem?.code);
          expect(read.problem?.extra).not.toHaveProperty('candidates');
        }
      }),
      { numRuns: 300 },
    );
  });

  test('V3: every row finds its own key again, in order and with its duplicates, and is answered by the right parts', () => {
    fc.assert(
      fc.property(scenarios, ([world, rows]) => {
        const reads = readsOf(world, rows);
        for (const group of world.state.groups) {
          const parts = reads.filter(read => read.groupId === group.id);
          const { replicated, placement } = placementOf(group, world.state, NOW_MS);
          const split = group.joinKeys.length > 1;
          for (const [row, [k, where]] of rows.entries()) {
            const answering = parts.filter(part => part.rowIndex === null || part.rowIndex[row] !== -1);
            const whole = replicated || placement.length === 0;
            expect(answering).toHaveLength(whole || split ? 1 : placement.length);
            for (const { ticket, rowIndex, region } of answering) {
              if (ticket === null) continue;
              const at = rowIndex === null ? row : (rowIndex[row] ?? -1);
              expect(ticket.keys['k']?.[at]).toBe(k);
              if (!split) continue;
              expect(ticket.keys['where']?.[at]).toBe(where);
              if (!whole) expect(region).toBe(where);
            }
          }
          for (const { ticket } of parts) {
            if (ticket === null) continue;
            const tuples = (ticket.keys['k'] ?? []).map((k, i) =>
              JSON.stringify([k, ticket.keys['where']?.[i]]),
            );
            expect(new Set(tuples).size).toBe(tuples.length);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('V4: with a region down, whatever another permitted copy holds is still planned', () => {
    fc.assert(
      fc.property(scenarios, ([world, rows]) => {
        for (const read of readsOf(world, rows)) {
          const { placement } = groupOf(world.state, read);
          if (!placement.replicated || policyIsStale(placement, world.state, NOW_MS)) continue;
          const permitted = placement.placement.filter(
            region =>
              world.health(region) !== 'down' &&
              mayRead(placement, world.caller, region, world.state) &&
              gatewaySet(placement, region, world.state).includes(world.gatewayRegion),
          );
          expect(contacted(read).toSorted()).toEqual(permitted.toSorted());
          if (permitted.includes(world.gatewayRegion)) expect(read.region).toBe(world.gatewayRegion);
        }
      }),
      { numRuns: 500 },
    );
  });
});
