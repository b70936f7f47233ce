import { ProblemError } from '@featuremesh/domain/problem';
import { expect, test } from 'vitest';
import { ChunkGate } from './chunk-gate.ts';

const LIMITS = { maxChunksInFlight: 2, maxBytesInFlight: 100, maxIdempotencyEntries: 1 };

const refusal = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error instanceof ProblemError ? error.problem : error;
  }
  return undefined;
};

test('chunks beyond the bound wait in turn and enter as others leave', async () => {
  const gate = new ChunkGate(LIMITS);
  const entered: number[] = [];
  const leaves = new Map<number, () => void>();
  const all = [1, 2, 3, 4].map(async id => {
    leaves.set(id, await gate.enter(10));
    entered.push(id);
  });
  await Promise.all(all.slice(0, 2));
  expect(entered).toEqual([1, 2]);
  expect(gate.chunks).toBe(2);
  leaves.get(2)?.();
  await all[2];
  expect(entered).toEqual([1, 2, 3]);
  leaves.get(1)?.();
  await all[3];
  expect(entered).toEqual([1, 2, 3, 4]);
});

test('leaving twice frees one place only', async () => {
  const gate = new ChunkGate(LIMITS);
  const leave = await gate.enter(1);
  await gate.enter(1);
  leave();
  leave();
  expect(gate.chunks).toBe(1);
});

test('one chunk may go whatever its size, two large ones may not', async () => {
  const gate = new ChunkGate(LIMITS);
  const leave = await gate.enter(1_000);
  let second = false;
  const waiting = gate.enter(1).then(() => {
    second = true;
  });
  await Promise.resolve();
  expect(second).toBe(false);
  leave();
  await waiting;
  expect(second).toBe(true);
});

test('requests are refused with a time to retry at either bound, and where others wait', async () => {
  const gate = new ChunkGate(LIMITS);
  const leave = gate.admit(80);
  expect(refusal(() => gate.admit(21))).toMatchObject({ code: 'OVERLOADED', extra: { retryAfterMs: 1_000 } });
  leave();
  gate.admit(21)();
  await gate.enter(1);
  await gate.enter(1);
  expect(refusal(() => gate.admit(1))).toMatchObject({ code: 'OVERLOADED' });
});
