import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AcceptedStamp,
  HybridClock,
  MAX_STAMP_COUNTER,
  STAMP_PERSIST_AHEAD_US,
} from './hybrid-clock.ts';
import { MAX_CLOCK_SKEW_MS } from './limits.ts';

const START = 1_700_000_000_000_000n;

/** A machine whose wall clock is set by the test and whose disk keeps the bound. */
function machine() {
  const state = { nowUs: START, persistedUs: 0n, persists: 0 };
  const start = (): HybridClock =>
    new HybridClock({
      slot: 3,
      nowUs: () => state.nowUs,
      persistAhead: upToUs => {
        expect(upToUs).toBeGreaterThan(state.persistedUs);
        state.persistedUs = upToUs;
        state.persists++;
      },
      startAfterUs: state.persistedUs,
    });
  return { state, start };
}

const later = (a: AcceptedStamp, b: AcceptedStamp): boolean =>
  b.physicalUs > a.physicalUs || (b.physicalUs === a.physicalUs && b.counter > a.counter);

describe('hybrid clock', () => {
  it('never goes back and never repeats, over jumps of the wall clock, observations and restarts', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constant({ kind: 'next' as const }) },
      fc.record({
        kind: fc.constant('jump' as const),
        us: fc.bigInt({ min: -10_000_000n, max: 10_000_000n }),
      }),
      fc.record({
        kind: fc.constant('observe' as const),
        us: fc.bigInt({ min: -9_000_000n, max: 9_000_000n }),
      }),
      fc.constant({ kind: 'restart' as const }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const { state, start } = machine();
        let clock = start();
        let last: AcceptedStamp | undefined;
        for (const action of steps) {
          if (action.kind === 'jump') state.nowUs += action.us;
          else if (action.kind === 'observe') clock.observe(state.nowUs + action.us);
          else if (action.kind === 'restart') clock = start();
          else {
            const stamp = clock.next();
            if (last !== undefined) expect(later(last, stamp)).toBe(true);
            expect(stamp.physicalUs).toBeLessThanOrEqual(state.persistedUs);
            expect(stamp.counter).toBeLessThanOrEqual(MAX_STAMP_COUNTER);
            last = stamp;
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('follows the wall clock and counts within one microsecond', () => {
    const { state, start } = machine();
    const clock = start();
    expect(clock.next()).toEqual({ physicalUs: START, counter: 0, slot: 3 });
    expect(clock.next()).toEqual({ physicalUs: START, counter: 1, slot: 3 });
    state.nowUs += 5n;
    expect(clock.next()).toEqual({ physicalUs: START + 5n, counter: 0, slot: 3 });
  });

  it('moves one microsecond on where the counter is used up', () => {
    const clock = machine().start();
    for (let i = 0; i <= MAX_STAMP_COUNTER; i++) clock.next();
    expect(clock.next()).toEqual({ physicalUs: START + 1n, counter: 0, slot: 3 });
  });

  it('after a restart begins behind all that may have been handed out, also where the wall clock was set back', () => {
    const { state, start } = machine();
    const before = start().next();
    state.nowUs -= 3_600_000_000n;
    const after = start().next();
    expect(later(before, after)).toBe(true);
    expect(after.physicalUs).toBe(START + STAMP_PERSIST_AHEAD_US + 1n);
  });

  it('persists about once a second, not per stamp', () => {
    const { state, start } = machine();
    const clock = start();
    for (let ms = 0; ms < 10_000; ms++) {
      state.nowUs += 1_000n;
      clock.next();
    }
    expect(state.persists).toBeGreaterThanOrEqual(9);
    expect(state.persists).toBeLessThanOrEqual(11);
  });

  it('is not dragged beyond the permitted skew by a time seen elsewhere', () => {
    const { start } = machine();
    const clock = start();
    clock.observe(START + 3_600_000_000n);
    expect(clock.next().physicalUs).toBe(START + BigInt(MAX_CLOCK_SKEW_MS) * 1_000n + 1n);
  });
});
