import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { testState } from '@featuremesh/testkit/generators/mesh-states';
import { definitions, group } from '@featuremesh/testkit/region/test-definitions';
import { expect, test } from 'vitest';
import { planDefinitions } from './definition-plan.ts';
import { planRetirement } from './lifecycle-plan.ts';

/** The state after the definition is applied. */
function applied(state: MeshState, ...more: Parameters<typeof group>): MeshState {
  const context = { nowMs: 0, newId: () => 'aaaaaaaaaaaaaaaa' };
  const plan = planDefinitions(definitions([group(...more)]), state, context);
  if (!plan.ok) throw new Error(plan.problem.detail);
  return plan.value.after;
}

/** The state after what a reference names is retired. */
function retired(state: MeshState, reference: string, purge: boolean): MeshState {
  const plan = planRetirement({ group: reference, evenIfUsed: false, purge }, state);
  if (!plan.ok) throw new Error(plan.problem.detail);
  const written = new Map(plan.value.entries.map(entry => [keyOf(entry), entry]));
  const groups = state.groups.map(one => {
    const entry = written.get(`${one.id}@${one.version}`);
    return entry?.kind === 'group' ? entry.group : one;
  });
  return { ...state, groups };
}

const keyOf = (entry: CatalogueEntry): string =>
  entry.kind === 'group' ? `${entry.group.id}@${entry.group.version}` : '';

const versions = (state: MeshState): readonly string[] =>
  state.groups
    .toSorted((a, b) => a.version - b.version)
    .map(
      ({ version, definition, purged }) =>
        `v${version} ${definition.state}${purged === true ? ', purged' : ''}`,
    );

const one = applied(testState({}), 'delays');
const two = applied(one, 'delays', { features: { mean: 'string?' } });

test('S8: a purged version is never opened again: the same definition makes a new one', () => {
  const gone = retired(one, 'delays', true);
  expect(versions(gone)).toEqual(['v1 retired, purged']);
  expect(versions(applied(gone, 'delays'))).toEqual(['v1 retired, purged', 'v2 active']);
  expect(versions(applied(gone, 'delays', { owner: 'ana' }))).toEqual(['v1 retired, purged', 'v2 active']);
  expect(versions(applied(gone, 'delays', { state: 'retired', owner: 'ana' }))).toEqual([
    'v1 retired, purged',
  ]);
});

test('a retired version is purged afterwards, or at once, alone or with the others; what is open stays open', () => {
  expect(versions(retired(two, 'delays', true))).toEqual(['v1 retired, purged', 'v2 retired, purged']);
  expect(versions(retired(retired(two, 'delays', false), 'delays@v2', true))).toEqual([
    'v1 retired',
    'v2 retired, purged',
  ]);
  const newer = retired(two, 'delays@v2', true);
  expect(versions(newer)).toEqual(['v1 active', 'v2 retired, purged']);
  expect(versions(applied(newer, 'delays', { features: { mean: 'string?' } }))).toEqual([
    'v1 active',
    'v2 retired, purged',
    'v3 active',
  ]);
});

test('reopening the other versions of a group leaves a purged one closed', () => {
  const closed = retired(retired(two, 'delays', false), 'delays@v1', true);
  const reopened = applied(closed, 'delays', { features: { mean: 'string?' } });
  expect(versions(reopened)).toEqual(['v1 retired, purged', 'v2 active']);
});
