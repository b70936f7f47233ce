import { expect, test, vi } from 'vitest';
import { Deadlines } from './deadlines.ts';
import { systemTimer } from './timer.ts';

test('each passes once, in time, unless it is cancelled before; no timer is left behind', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    const clock = { monotonicMs: () => performance.now() };
    const deadlines = new Deadlines({ clock, timer: systemTimer });
    const beganMs = performance.now();
    const passed: Record<string, number> = {};
    const open = (name: string, ms: number) =>
      deadlines.open(ms, () => {
        expect(passed).not.toHaveProperty(name);
        passed[name] = performance.now() - beganMs;
      });
    open('first', 1_000);
    await vi.advanceTimersByTimeAsync(400);
    open('second', 1_000);
    open('short', 100);
    deadlines.cancel(open('ended', 200));
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(Object.keys(passed)).toEqual(['short', 'first', 'second']);
    for (const [name, ms] of Object.entries({ short: 500, first: 1_000, second: 1_400 })) {
      expect(passed[name]).toBeGreaterThanOrEqual(ms);
      expect(passed[name]).toBeLessThanOrEqual(ms + 20);
    }
    expect(vi.getTimerCount()).toBe(0);
    open('later', 50);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(100);
    expect(passed).toHaveProperty('later');
  } finally {
    vi.useRealTimers();
  }
});
