import { seededRandom } from '@featuremesh/runtime/random';
import { expect, test } from 'vitest';
import { describeFault, faultSchedule, KILLABLE } from './schedule.ts';

const REGIONS = ['us-east-1', 'us-west-2', 'eu-west-1'];
const long = (seed: string, hasWan = true, regions = REGIONS, hasStores = false) =>
  faultSchedule(seededRandom(seed), { lastsMs: 600_000, regions, hasWan, hasStores });

test('the same seed gives the same faults, another one others', () => {
  expect(long('a')).toEqual(long('a'));
  expect(long('a')).not.toEqual(long('b'));
});

test('a long run has every fault in every region, in order, within its time', () => {
  const faults = long('a');
  for (const region of REGIONS)
    for (const process of KILLABLE)
      expect(
        faults.some(fault => fault.kind === 'kill' && fault.region === region && fault.process === process),
      ).toBe(true);
  expect(new Set(faults.map(({ kind }) => kind))).toEqual(
    new Set(['kill', 'freeze', 'clock', 'supervisor', 'cut', 'black-hole']),
  );
  expect(faults.every(({ atMs }, at) => atMs >= (faults[at - 1]?.atMs ?? 0) && atMs < 600_000)).toBe(true);
  expect(new Set(faults.map(describeFault)).size).toBeGreaterThan(50);
});

test('with stores, nodes of both data centres of every region are killed besides, and all other faults stay as they are', () => {
  const faults = long('a', true, REGIONS, true);
  expect(faults.filter(({ kind }) => kind !== 'store')).toEqual(long('a'));
  const killed = faults.flatMap(fault => (fault.kind === 'store' ? `${fault.region} ${fault.node}` : []));
  expect(new Set(killed).size).toBe(2 * REGIONS.length);
});

test('links are touched between two regions only, and not at all without a network to touch', () => {
  for (const fault of long('a'))
    if (fault.kind === 'cut' || fault.kind === 'black-hole') expect(new Set(fault.between).size).toBe(2);
  const alone = [...long('a', false), ...long('a', true, ['us-east-1'])];
  expect(alone.every(({ kind }) => kind !== 'cut' && kind !== 'black-hole')).toBe(true);
});
