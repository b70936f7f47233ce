import { expect, test } from 'vitest';
import type { BareRow } from '../adapters/lmdb/bare-table.ts';
import { BareWrites } from './bare-writes.ts';

const row = (key: string): BareRow => ({ key, bytes: Buffer.from(key) });
const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

/** A log whose appends end when told, and a table that notes what it is given. */
class Parts {
  readonly appended: string[] = [];
  readonly put: string[] = [];
  readonly ends: (() => void)[] = [];
  readonly writes = new BareWrites({
    append: body => {
      this.appended.push(Buffer.from(body).toString());
      return new Promise(resolve => this.ends.push(resolve));
    },
    put: async rows => {
      this.put.push(rows.map(({ key }) => key).join(''));
    },
  });
}

test('what comes while a message is on its way shares the next, and is answered when it can be read', async () => {
  const parts = new Parts();
  const answered: string[] = [];
  for (const key of ['a', 'b', 'c']) void parts.writes.write([row(key)]).then(() => answered.push(key));
  await settled();
  expect([parts.appended, parts.put, answered]).toEqual([['a'], [], []]);
  parts.ends.shift()?.();
  await settled();
  expect([parts.appended, parts.put, answered]).toEqual([['a', 'bc'], ['a'], ['a']]);
  parts.ends.shift()?.();
  await settled();
  expect([parts.put, answered]).toEqual([
    ['a', 'bc'],
    ['a', 'b', 'c'],
  ]);
});

test('a batch has a message of its own, beside others', async () => {
  const parts = new Parts();
  const batch = Array.from({ length: 100 }, () => row('x'));
  void parts.writes.write([row('a')]);
  void parts.writes.write(batch);
  await settled();
  expect(parts.appended.toSorted()).toEqual(['a', 'x'.repeat(100)]);
});
