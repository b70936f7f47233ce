import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_REMEMBERED_BATCHES } from './limits.ts';
import { PublishedGroups } from './published-groups.ts';

const A = 'aaaaaaaaaaaaaaaa';
const B = 'bbbbbbbbbbbbbbbb';

test('between the first and the last batch of a purged group, those of others are not called purged', () => {
  const published = new PublishedGroups();
  for (const [at, groupId] of [A, A, B, '', A, B].entries()) published.note(10 + at, groupId);
  expect(published.within({ groupId: A, from: 10, through: 14 })).toEqual([
    { groupId: A, from: 10, through: 11 },
    { groupId: A, from: 14, through: 14 },
  ]);
});

test('batches of an earlier process are not claimed', () => {
  const published = new PublishedGroups();
  published.note(7, A);
  expect(published.within({ groupId: A, from: 5, through: 9 })).toEqual([
    { groupId: A, from: 7, through: 7 },
  ]);
});

test('of any sequence of batches, the ranges name exactly those of the group', () => {
  const groups = fc.array(fc.constantFrom(A, B, ''), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(groups, fc.nat(45), fc.nat(45), (sequence, from, through) => {
      const published = new PublishedGroups();
      for (const [at, groupId] of sequence.entries()) published.note(at + 1, groupId);
      const ranges = published.within({ groupId: A, from, through });
      const named = ranges.flatMap(range =>
        Array.from({ length: range.through - range.from + 1 }, (_, at) => range.from + at),
      );
      const expected = sequence.flatMap((groupId, at) =>
        groupId === A && at + 1 >= from && at + 1 <= through ? [at + 1] : [],
      );
      expect(named).toEqual(expected);
    }),
  );
});

test('only the newest batches are remembered', () => {
  const published = new PublishedGroups();
  for (let seq = 1; seq <= MAX_REMEMBERED_BATCHES + 5; seq++) published.note(seq, A);
  const [range, ...more] = published.within({ groupId: A, from: 1, through: MAX_REMEMBERED_BATCHES + 5 });
  expect(more).toEqual([]);
  expect(range).toEqual({ groupId: A, from: 6, through: MAX_REMEMBERED_BATCHES + 5 });
});
