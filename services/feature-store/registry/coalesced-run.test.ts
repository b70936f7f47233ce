import { expect, test } from 'vitest';
import { CoalescedRun } from './coalesced-run.ts';

test('of many that ask while a run is under way one more runs, for all of them, after it', async () => {
  const begun: (() => void)[] = [];
  const runs = new CoalescedRun(() => new Promise(resolve => begun.push(resolve)));
  const ended: string[] = [];
  const ask = (name: string) => runs.run().then(() => ended.push(name));
  const first = ask('first');
  await Promise.resolve();
  const later = [ask('second'), ask('third')];
  expect(begun).toHaveLength(1);
  begun[0]?.();
  await first;
  expect([begun.length, ended]).toEqual([2, ['first']]);
  begun[1]?.();
  await Promise.all(later);
  await runs.ended();
  expect([begun.length, ended]).toEqual([2, ['first', 'second', 'third']]);
});
