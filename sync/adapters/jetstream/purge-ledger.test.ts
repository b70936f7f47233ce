import { expect, test } from 'vitest';
import { PurgeLedger } from './purge-ledger.ts';

test('what enforcement removed is told once, together with what was removed since', () => {
  const ledger = new PurgeLedger();
  ledger.note('a', { from: 5, through: 9 });
  ledger.note('a', { from: 12, through: 12 });
  expect(ledger.take('b', undefined)).toBeUndefined();
  expect(ledger.take('a', { from: 14, through: 15 })).toEqual({ from: 5, through: 15 });
  expect(ledger.take('a', undefined)).toBeUndefined();
  expect(ledger.take('a', { from: 20, through: 20 })).toEqual({ from: 20, through: 20 });
});
