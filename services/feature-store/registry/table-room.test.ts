import { ProblemError } from '@featuremesh/domain/problem';
import { regionId } from '@featuremesh/domain/region-id';
import { GENERATED_NOW_MS, testGroup, testState } from '@featuremesh/testkit/generators/mesh-states';
import { expect, test } from 'vitest';
import { assertRoomForTables } from './table-room.ts';

const bound = { maxTables: 2, nowMs: GENERATED_NOW_MS };
const here = (name: string) => testGroup({ name, id: name.padEnd(16, 'a') });
const elsewhere = testGroup({ name: 'far', id: 'faraaaaaaaaaaaaa', homeRegion: regionId('eu-west-1') });
const holding = (...groups: ReturnType<typeof here>[]) => testState({ groups });

function codeOf(work: () => void): string {
  try {
    work();
    return 'none';
  } catch (error) {
    return error instanceof ProblemError ? `${error.problem.code} ${error.problem.detail}` : String(error);
  }
}

test('a group version beyond the bound is refused by name of the setting, those of other regions do not count', () => {
  const [one, two, three] = ['one', 'two', 'three'].map(here);
  if (one === undefined || two === undefined || three === undefined) throw new Error('three groups');
  const full = holding(one, two, elsewhere);
  expect(codeOf(() => assertRoomForTables(holding(one), full, bound))).toBe('none');
  expect(codeOf(() => assertRoomForTables(full, holding(one, two, three), bound))).toMatch(
    /^TABLE_LIMIT us-east-1 would hold 3 tables.*at most 2.*store\.maxTables/,
  );
});

test('a region that holds too many already may change what it has', () => {
  const many = holding(...['one', 'two', 'three'].map(here));
  expect(codeOf(() => assertRoomForTables(many, many, bound))).toBe('none');
});
