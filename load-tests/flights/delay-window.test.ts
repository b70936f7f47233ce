import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DelayWindow, LATE_FROM_MIN } from './delay-window.ts';

/** The definitions, word for word, over the whole list. */
function naive(flights: readonly { timeMs: number; delayMin: number }[], lengthMs: number) {
  const newest = flights.at(-1)?.timeMs ?? 0;
  const inside = flights.filter(({ timeMs }) => timeMs > newest - lengthMs).map(({ delayMin }) => delayMin);
  const sorted = inside.toSorted((a, b) => a - b);
  return {
    flights: inside.length,
    meanMin: inside.reduce((sum, delay) => sum + delay, 0) / inside.length,
    p90Min: sorted[Math.ceil((inside.length * 9) / 10) - 1],
    lateShare: inside.filter(delay => delay >= LATE_FROM_MIN).length / inside.length,
  };
}

const flightsArbitrary = fc
  .array(
    fc.record({
      gapMs: fc.integer({ min: 0, max: 60 }),
      delayMin: fc.oneof(fc.integer({ min: -1_500, max: 2_500 }), fc.integer({ min: -10, max: 30 })),
    }),
    { minLength: 1, maxLength: 400 },
  )
  .map(steps => {
    let timeMs = 0;
    return steps.map(({ gapMs, delayMin }) => {
      timeMs += gapMs;
      return { timeMs, delayMin };
    });
  });

test('every value equals the naive one after every flight', () => {
  fc.assert(
    fc.property(flightsArbitrary, fc.integer({ min: 1, max: 3_000 }), (flights, lengthMs) => {
      const window = new DelayWindow(lengthMs);
      for (const [i, { timeMs, delayMin }] of flights.entries()) {
        window.add(timeMs, delayMin);
        const { flights: count, meanMin, p90Min, lateShare } = window;
        expect({ flights: count, meanMin, p90Min, lateShare }).toEqual(
          naive(flights.slice(0, i + 1), lengthMs),
        );
      }
    }),
    { numRuns: 150 },
  );
});

test('a delay that the source cannot hold is a defect, not a wrong percentile', () => {
  expect(() => new DelayWindow(1_000).add(0, 5_000)).toThrow(/range/);
});

test('three hundred thousand flights take well under three seconds', () => {
  const window = new DelayWindow(86_400_000);
  const start = performance.now();
  for (let i = 0; i < 300_000; i++) {
    window.add(i * 300, (i * 7_919) % 200);
    if (window.p90Min > 200) throw new Error('impossible');
  }
  expect(performance.now() - start).toBeLessThan(3_000);
});
