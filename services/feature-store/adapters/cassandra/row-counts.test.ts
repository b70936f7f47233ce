import { expect, test } from 'vitest';
import { RowCounts } from './row-counts.ts';

function counts(rows: number) {
  const state = { nowMs: 0, rows, asked: 0 };
  const of = new RowCounts({ monotonicMs: () => state.nowMs });
  const ask = (): Promise<number> =>
    of.of('t', async () => {
      state.asked += 1;
      return state.rows;
    });
  return { state, ask };
}

test('a small table is counted each time', async () => {
  const { state, ask } = counts(5);
  expect(await ask()).toBe(5);
  state.rows = 6;
  expect([await ask(), state.asked]).toEqual([6, 2]);
});

test('the count of a large table is answered again for a minute', async () => {
  const { state, ask } = counts(1_000_000);
  expect(await ask()).toBe(1_000_000);
  state.rows = 2_000_000;
  state.nowMs = 59_000;
  expect([await ask(), state.asked]).toEqual([1_000_000, 1]);
  state.nowMs = 61_000;
  expect(await Promise.all([ask(), ask(), ask()])).toEqual([2_000_000, 2_000_000, 2_000_000]);
  expect(state.asked).toBe(2);
});

test('a count that fails is not kept', async () => {
  const of = new RowCounts({ monotonicMs: () => 0 });
  await expect(of.of('t', () => Promise.reject(new Error('down')))).rejects.toThrow('down');
  expect(await of.of('t', async () => 30_000)).toBe(30_000);
});
