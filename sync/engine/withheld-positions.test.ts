import { regionId } from '@featuremesh/domain/region-id';
import { expect, test } from 'vitest';
import { WithheldPositions } from './withheld-positions.ts';

const origin = regionId('us-east-1');
const batch = (groupId: string, appenders: Record<string, [number, number]>) => ({
  origin,
  feedEpoch: 'e',
  groupId,
  appenders,
});

test('the greatest position per group and appender is claimed, once, and only for groups that are complete', () => {
  const withheld = new WithheldPositions();
  withheld.note(batch('a', { 0: [1, 4], 1: [2, 3] }));
  withheld.note(batch('a', { 0: [5, 9] }));
  withheld.note(batch('a', { 0: [5, 6] }));
  withheld.note(batch('b', { 0: [7, 8] }));
  const at = (groupId: string, appender: number, sequence: number) => ({
    origin,
    feedEpoch: 'e',
    groupId,
    appender,
    sequence,
  });
  expect(withheld.take(groupId => groupId === 'a')).toEqual([at('a', 0, 9), at('a', 1, 3)]);
  expect(withheld.take(groupId => groupId === 'a')).toEqual([]);
  expect(withheld.size).toBe(1);
  expect(withheld.take(() => true)).toEqual([at('b', 0, 8)]);
});
