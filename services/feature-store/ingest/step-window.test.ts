import { expect, test } from 'vitest';
import { REPLAY_ROWS_IN_FLIGHT, REPLAY_STEPS_IN_FLIGHT } from './ingest-limits.ts';
import { StepWindow } from './step-window.ts';

/** Issues steps of so many rows until the window takes no more; gives how many it took, and ends one at each call. */
async function issued(rows: number): Promise<{ count: () => number; endOldest: () => Promise<void> }> {
  const window = new StepWindow();
  const ends: (() => void)[] = [];
  let count = 0;
  const issue = async (): Promise<void> => {
    for (;;) {
      const ended = new Promise<void>(resolve => ends.push(resolve));
      count += 1;
      await window.add(ended, rows);
    }
  };
  void issue();
  const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve));
  await settle();
  const endOldest = async (): Promise<void> => {
    ends.shift()?.();
    await settle();
  };
  return { count: () => count, endOldest };
}

test('small steps are bounded by their number, and one is issued for each that ends', async () => {
  const { count, endOldest } = await issued(1);
  expect(count()).toBe(REPLAY_STEPS_IN_FLIGHT);
  await endOldest();
  await endOldest();
  expect(count()).toBe(REPLAY_STEPS_IN_FLIGHT + 2);
});

test('large steps are bounded by their rows; one that is larger than the bound goes alone', async () => {
  const { count, endOldest } = await issued(REPLAY_ROWS_IN_FLIGHT / 4);
  expect(count()).toBe(5);
  await endOldest();
  expect(count()).toBe(6);
  const alone = await issued(REPLAY_ROWS_IN_FLIGHT * 3);
  expect(alone.count()).toBe(1);
  await alone.endOldest();
  expect(alone.count()).toBe(2);
});

test('all that was issued is awaited at the end', async () => {
  const window = new StepWindow();
  const [order, end]: [string[], (() => void)[]] = [[], []];
  await window.add(
    new Promise<void>(resolve => end.push(resolve)).then(() => void order.push('step')),
    1,
  );
  const all = window.ended().then(() => void order.push('all'));
  end[0]?.();
  await all;
  expect(order).toEqual(['step', 'all']);
});
