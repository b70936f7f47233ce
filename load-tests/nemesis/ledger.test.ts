import { expect, test } from 'vitest';
import { Ledger } from './ledger.ts';

const row = (key: string, write: string, eventTimeUs: number) => ({ key, write, eventTimeUs });

function written(): Ledger {
  const ledger = new Ledger();
  ledger.noteSent([row('a', 'a1', 1), row('a', 'a2', 2), row('b', 'b1', 1), row('c', 'c1', 1)]);
  ledger.noteAcknowledged([row('a', 'a1', 1), row('b', 'b1', 1)]);
  return ledger;
}

const holding = (writes: Record<string, string>) => new Map(Object.entries(writes));

test('acknowledged writes everywhere, later and unanswered ones there or not, are all well', () => {
  const ledger = written();
  expect([ledger.sent, ledger.acknowledged, ledger.keys.length]).toEqual([4, 2, 3]);
  for (const held of [holding({ a: 'a1', b: 'b1' }), holding({ a: 'a2', b: 'b1', c: 'c1' })])
    expect(
      ledger.faults(
        new Map([
          ['x', held],
          ['y', held],
        ]),
      ),
    ).toEqual([]);
});

test('a lost acknowledged row is found, where it is missing and where an older one is held', () => {
  const ledger = written();
  ledger.noteAcknowledged([row('a', 'a2', 2)]);
  expect(ledger.faults(new Map([['x', holding({ a: 'a1', b: 'b1' })]]))).toEqual([
    expect.stringContaining('S5: x has lost an acknowledged row of a'),
  ]);
  expect(ledger.faults(new Map([['x', holding({ a: 'a2' })]]))).toEqual([
    expect.stringContaining('S5: x has lost an acknowledged row of b'),
  ]);
});

test('regions that differ, and rows that nobody sent, are found', () => {
  const ledger = written();
  const one = holding({ a: 'a1', b: 'b1' });
  const other = holding({ a: 'a2', b: 'b1' });
  expect(
    ledger.faults(
      new Map([
        ['x', one],
        ['y', other],
      ]),
    ),
  ).toEqual(['S1: regions hold different rows of a']);
  expect(ledger.faults(new Map([['x', holding({ a: 'zz', b: 'b1' })]]))).toEqual([
    expect.stringContaining('which nobody sent'),
  ]);
});
