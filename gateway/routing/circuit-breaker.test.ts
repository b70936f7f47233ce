import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BREAKER_FAILURES, BREAKER_FIRST_PAUSE_MS, BREAKER_LONGEST_PAUSE_MS } from '../limits.ts';
import { CircuitBreaker } from './circuit-breaker.ts';

function breakerAt(): { breaker: CircuitBreaker; pass: (ms: number) => void } {
  let nowMs = 0;
  const breaker = new CircuitBreaker({ monotonicMs: () => nowMs });
  return {
    breaker,
    pass: ms => {
      nowMs += ms;
    },
  };
}

test('opens after the stated failures in a row, not before; a success in between counts anew', () => {
  const { breaker } = breakerAt();
  expect(breaker.health()).toBe('unknown');
  for (let i = 1; i < BREAKER_FAILURES; i += 1) breaker.failed();
  breaker.succeeded();
  expect(breaker.health()).toBe('up');
  for (let i = 1; i < BREAKER_FAILURES; i += 1) breaker.failed();
  expect([breaker.permits(), breaker.health()]).toEqual([true, 'up']);
  breaker.failed();
  expect([breaker.permits(), breaker.health()]).toEqual([false, 'down']);
});

test('lets one call through after the pause; success closes it, failure doubles the pause up to the longest', () => {
  const { breaker, pass } = breakerAt();
  for (let i = 0; i < BREAKER_FAILURES; i += 1) breaker.failed();
  for (let pauseMs = BREAKER_FIRST_PAUSE_MS; pauseMs < BREAKER_LONGEST_PAUSE_MS * 4; pauseMs *= 2) {
    pass(Math.min(pauseMs, BREAKER_LONGEST_PAUSE_MS) - 1);
    expect(breaker.permits()).toBe(false);
    pass(1);
    expect(breaker.health()).toBe('unknown');
    expect([breaker.permits(), breaker.permits()]).toEqual([true, false]);
    breaker.failed();
  }
  pass(BREAKER_LONGEST_PAUSE_MS);
  expect(breaker.permits()).toBe(true);
  breaker.succeeded();
  expect([breaker.permits(), breaker.health()]).toEqual([true, 'up']);
});

test('whatever happened, a region that answers again is used within the longest pause', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('ok', 'fail', 'wait'), { maxLength: 60 }), events => {
      const { breaker, pass } = breakerAt();
      for (const event of events) {
        if (event === 'wait') pass(700);
        else if (breaker.permits()) event === 'ok' ? breaker.succeeded() : breaker.failed();
      }
      pass(BREAKER_LONGEST_PAUSE_MS);
      expect(breaker.permits()).toBe(true);
      breaker.succeeded();
      expect(breaker.health()).toBe('up');
    }),
  );
});
