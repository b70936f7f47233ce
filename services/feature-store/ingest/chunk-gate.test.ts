import { ProblemError } from '@featuremesh/domain/problem';
import { expect, test } from 'vitest';
import { ChunkGate } from './chunk-gate.ts';
import { LEAST_CHUNK_ROWS } from './ingest-limits.ts';

const LIMITS = { maxRowsInFlight: 2 * LEAST_CHUNK_ROWS, maxBytesInFlight: 100, maxIdempotencyEntries: 1 };

const chunk = (bytes: number, rows = 1) => ({ rows, bytes });

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
    leaves.set(id, await gate.enter(chunk(10)));
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
  const leave = await gate.enter(chunk(1));
  await gate.enter(chunk(1));
  leave();
  leave();
  expect(gate.chunks).toBe(1);
});

test('one chunk may go whatever its size, two large ones may not', async () => {
  const gate = new ChunkGate(LIMITS);
  const leave = await gate.enter(chunk(1_000));
  let second = false;
  const waiting = gate.enter(chunk(1)).then(() => {
    second = true;
  });
  await Promise.resolve();
  expect(second).toBe(false);
  leave();
  await waiting;
  expect(second).toBe(true);
});

test('small chunks count for a share of the rows that their request costs, large ones for their rows', async () => {
  const gate = new ChunkGate({ ...LIMITS, maxRowsInFlight: 100, maxBytesInFlight: 1_000 });
  for (let at = 0; at < Math.floor(100 / LEAST_CHUNK_ROWS); at += 1) await gate.enter(chunk(1));
  let entered = false;
  const waiting = gate.enter(chunk(1)).then(leave => {
    entered = true;
    return leave;
  });
  await Promise.resolve();
  expect(entered).toBe(false);
  const full = new ChunkGate({ ...LIMITS, maxRowsInFlight: 100, maxBytesInFlight: 1_000 });
  const leave = await full.enter(chunk(1, 100));
  expect(refusal(() => full.admit(1))).toMatchObject({ code: 'OVERLOADED' });
  leave();
  full.admit(1)();
  void waiting;
});

test('requests are refused with a time to retry at either bound, and where others wait', async () => {
  const gate = new ChunkGate(LIMITS);
  const leave = gate.admit(80);
  expect(refusal(() => gate.admit(21))).toMatchObject({ code: 'OVERLOADED', extra: { retryAfterMs: 1_000 } });
  leave();
  gate.admit(21)();
  await gate.enter(chunk(1));
  await gate.enter(chunk(1));
  expect(refusal(() => gate.admit(1))).toMatchObject({ code: 'OVERLOADED' });
});
