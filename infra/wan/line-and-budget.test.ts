import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteBudget } from './byte-budget.ts';
import { SharedLine } from './shared-line.ts';
import { isMeant, type WanPath } from './wan-path.ts';

test('a capped line lets no more bytes leave in any span than its rate, and is never idle while it has some', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.array(fc.record({ pauseMs: fc.nat(50), bytes: fc.integer({ min: 1, max: 70_000 }) }), {
        minLength: 1,
        maxLength: 40,
      }),
      (bytesPerSecond, sent) => {
        const line = new SharedLine();
        let nowMs = 0;
        let naiveFreeMs = 0;
        for (const { pauseMs, bytes } of sent) {
          nowMs += pauseMs;
          const leavesMs = line.leavesAtMs(bytes, nowMs, bytesPerSecond);
          const startMs = Math.max(nowMs, naiveFreeMs);
          naiveFreeMs = leavesMs;
          expect(leavesMs - startMs).toBeCloseTo((bytes * 1_000) / bytesPerSecond, 3);
        }
      },
    ),
  );
  expect(new SharedLine().leavesAtMs(1_000_000, 5, null)).toBe(5);
});

test('who waits for the budget is called once, when there is room, and never after it was forgotten', () => {
  const budget = new ByteBudget(100);
  const called: string[] = [];
  const [first, second] = [() => called.push('first'), () => called.push('second')];
  budget.take(150);
  expect(budget.hasRoom).toBe(false);
  budget.whenRoom(first);
  budget.whenRoom(second);
  budget.forget(second);
  budget.give(50);
  expect(called).toEqual([]);
  budget.give(1);
  budget.give(99);
  expect(called).toEqual(['first']);
  expect(budget.hasRoom).toBe(true);
});

test('a selection means paths by their ends, by who connects, and by service', () => {
  const path = (from: string, to: string, service: WanPath['service']): WanPath => {
    const address = { host: '127.0.0.1', port: 1 };
    return { from, to, service, listen: address, target: address };
  };
  const [there, back] = [path('a', 'b', 'link'), path('b', 'a', 'http')];
  expect([there, back].map(one => isMeant(one, {}))).toEqual([true, true]);
  expect([there, back].map(one => isMeant(one, { regions: ['b', 'a'] }))).toEqual([true, true]);
  expect([there, back].map(one => isMeant(one, { regions: ['a', 'c'] }))).toEqual([false, false]);
  expect([there, back].map(one => isMeant(one, { regions: ['a'], from: 'b' }))).toEqual([false, true]);
  expect([there, back].map(one => isMeant(one, { service: 'link' }))).toEqual([true, false]);
});
