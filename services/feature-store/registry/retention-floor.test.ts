import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import { cutOffMs } from '@featuremesh/domain/retention';
import { testState } from '@featuremesh/testkit/generators/mesh-states';
import { definitions, group } from '@featuremesh/testkit/region/test-definitions';
import { expect, test } from 'vitest';
import { planDefinitions } from './definition-plan.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.parse('2026-06-01T00:00:00Z');

/** The group after its retention was set to each of these in turn, a day apart; undefined keeps all. */
function after(...retentions: readonly (number | undefined)[]): CatalogueGroup {
  let state = testState({});
  for (const [day, retentionMs] of retentions.entries()) {
    const defined = group('delays', retentionMs === undefined ? {} : { retentionMs });
    const context = { nowMs: NOW_MS + day * DAY_MS, newId: () => 'aaaaaaaaaaaaaaaa' };
    const plan = planDefinitions(definitions([defined]), state, context);
    if (!plan.ok) throw new Error(plan.problem.detail);
    state = plan.value.after;
  }
  const found = state.groups.find(({ definition }) => definition.name === 'delays');
  if (found === undefined) throw new Error('the group is planned');
  return found;
}

test('what has expired stays expired where a revision makes retention longer, or ends it', () => {
  const longer = after(10 * DAY_MS, 30 * DAY_MS);
  expect(longer.retentionFloorMs).toBe(NOW_MS + DAY_MS - 10 * DAY_MS);
  expect(cutOffMs(longer, NOW_MS + DAY_MS)).toBe(NOW_MS - 9 * DAY_MS);
  expect(cutOffMs(longer, NOW_MS + 40 * DAY_MS)).toBe(NOW_MS + 10 * DAY_MS);
  expect(cutOffMs(after(10 * DAY_MS, undefined), NOW_MS + 400 * DAY_MS)).toBe(NOW_MS - 9 * DAY_MS);
});

test('a shorter retention needs no floor, and one that was there is kept', () => {
  expect(after(30 * DAY_MS, 10 * DAY_MS).retentionFloorMs).toBeUndefined();
  expect(after(undefined, 10 * DAY_MS).retentionFloorMs).toBeUndefined();
  expect(after(10 * DAY_MS, 30 * DAY_MS, 5 * DAY_MS).retentionFloorMs).toBe(NOW_MS - 9 * DAY_MS);
});
