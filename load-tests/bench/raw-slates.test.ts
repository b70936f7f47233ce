import { expect, test } from 'vitest';
import { bestOf, shapedWork, slatesOfSize } from './raw-slates.ts';

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

test('the best round has the lowest 99th percentile and the failures of all', () => {
  expect(
    bestOf([
      { p99Ms: 9, failed: 1 },
      { p99Ms: 3, failed: 0 },
      { p99Ms: 5, failed: 2 },
    ]),
  ).toEqual({ p99Ms: 3, failed: 3 });
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
