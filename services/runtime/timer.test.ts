import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemTimer } from './timer.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('sleep', () => {
  it('resolves after the time, not before', async () => {
    const woke = vi.fn();
    void systemTimer.sleep(100).then(woke);
    await vi.advanceTimersByTimeAsync(99);
    expect(woke).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(woke).toHaveBeenCalledOnce();
  });

  it('resolves at once when the signal aborts, and leaves no timer behind', async () => {
    const aborter = new AbortController();
    const sleeping = systemTimer.sleep(1_000_000, aborter.signal);
    aborter.abort();
    await sleeping;
    await systemTimer.sleep(1_000_000, aborter.signal);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('every', () => {
  it('never overlaps calls and waits after each', async () => {
    let running = 0;
    let most = 0;
    let calls = 0;
    const repetition = systemTimer.every(10, async () => {
      calls++;
      most = Math.max(most, ++running);
      await systemTimer.sleep(25);
      running--;
    });
    await vi.advanceTimersByTimeAsync(10 + 3 * 35);
    expect({ calls, most }).toEqual({ calls: 4, most: 1 });
    repetition.stop();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(calls).toBe(4);
    expect(vi.getTimerCount()).toBe(0);
  });
});
