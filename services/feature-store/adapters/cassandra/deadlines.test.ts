import { systemClock } from '@featuremesh/runtime/clock';
import { systemTimer } from '@featuremesh/runtime/timer';
import { expect, test, vi } from 'vitest';
import { Deadlines } from './deadlines.ts';

test('work that ends in time keeps its value and its error', async () => {
  const deadlines = new Deadlines(systemClock, systemTimer);
  expect(await deadlines.within(60_000, async () => 7)).toBe(7);
  await expect(
    deadlines.within(60_000, async () => {
      throw new RangeError('its own');
    }),
  ).rejects.toThrow('its own');
  deadlines.close();
});

test('what is late is refused in turn and told so, whatever was begun before or after it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    const clock = { monotonicMs: () => performance.now() };
    const deadlines = new Deadlines(clock, systemTimer);
    const signals: AbortSignal[] = [];
    const forever = (expired: AbortSignal): Promise<never> => {
      signals.push(expired);
      return new Promise(() => undefined);
    };
    const outcomes: string[] = [];
    const note = (name: string, work: Promise<unknown>): void => {
      void work.catch((error: { problem: { code: string } }) =>
        outcomes.push(`${name} ${error.problem.code} ${performance.now()}`),
      );
    };
    const beganMs = performance.now();
    note('first', deadlines.within(1_000, forever));
    await vi.advanceTimersByTimeAsync(400);
    note('second', deadlines.within(1_000, forever));
    note('short', deadlines.within(100, forever));
    void deadlines.within(1_000, async () => 'done');
    await vi.advanceTimersByTimeAsync(700);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false, true]);
    await vi.advanceTimersByTimeAsync(10_000);
    const due = { short: 500, first: 1_000, second: 1_400 };
    expect(outcomes).toEqual(
      Object.entries(due).map(([name, ms]) => `${name} STORE_UNAVAILABLE ${beganMs + ms}`),
    );
    expect(vi.getTimerCount()).toBe(0);
    note('third', deadlines.within(1_000, forever));
    expect(vi.getTimerCount()).toBe(1);
    deadlines.close();
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
