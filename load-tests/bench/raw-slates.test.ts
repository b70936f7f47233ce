import { expect, test } from 'vitest';
import { medianOf, medianShare, shapedWork, slatesOfSize } from './raw-slates.ts';

test('slates of another size hold that many different keys, all of them from those given', () => {
  const given = Array.from({ length: 6 }, (_, slate) =>
    Array.from({ length: 4 }, (_, at) => ({ table: 't', key: Buffer.from(`k${slate * 3 + at}`) })),
  );
  const known = new Set(given.flat().map(({ key }) => key.toString()));
  for (const size of [2, 7]) {
    for (const slate of slatesOfSize(given, size)) {
      const keys = slate.map(({ key }) => key.toString());
      expect(new Set(keys).size).toBe(size);
      expect(keys.every(key => known.has(key))).toBe(true);
    }
  }
});

test('rounds count by their medians, by the failures of all, and beside what was measured at the same time', () => {
  const rounds = [9, 3, 5].map((p99Ms, failed) => ({ p99Ms, failed }));
  expect(medianOf(rounds)).toEqual({ p99Ms: 5, failed: 3 });
  const beside = rounds.map((of, at) => ({ of, limit: { p99Ms: [1, 3, 10][at] ?? 0 } }));
  expect(medianShare(beside, 'p99Ms')).toBe(1);
});

test('work that fails or rejects is counted and in no rate, by callers and at a rate', async () => {
  const work = async (index: number): Promise<boolean> => {
    await new Promise(setImmediate);
    if (index % 3 === 2) throw new Error('broken');
    return index % 3 === 0;
  };
  for (const shape of [
    { kind: 'closed', connections: 3 },
    { kind: 'open', requestsPerS: 300 },
  ] as const) {
    const { answers = 0, failed = 0 } = await shapedWork(work, { shape, seconds: 0.2 });
    expect(answers).toBeGreaterThan(0);
    expect(failed).toBeGreaterThanOrEqual(answers);
  }
});
