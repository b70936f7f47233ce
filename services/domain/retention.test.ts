import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { regionId } from './region-id.ts';
import { cutOffMs, mayPurge, nextRetentionFloorMs, type RetainedGroup, retainedRows } from './retention.ts';
import { wins } from './row-order.ts';
import { RowPacker } from './row-packer.ts';

const packer = new RowPacker([], 1, regionId('us-east-1'));
const PATIENCE = { valuesMs: 10, deletionsMs: 40 };

function rowAt(eventMs: number, deleted = false, counter = 0): Uint8Array {
  const us = BigInt(eventMs) * 1_000n;
  const times = { eventTimeUs: us, createdTimeUs: us, stamp: { physicalUs: 1n, counter, slot: 0 } };
  if (deleted) return packer.packDeletion(times);
  const packed = packer.pack(times, {}, { nonFinite: 'refuse' });
  if (!packed.ok) throw new Error(packed.problem.detail);
  return packed.value;
}

const group = (retentionMs?: number, retentionFloorMs?: number): RetainedGroup => ({
  definition: retentionMs === undefined ? {} : { retentionMs },
  ...(retentionFloorMs === undefined ? {} : { retentionFloorMs }),
});

describe('the cut-off', () => {
  test('is the time less the retention; a group without one keeps all', () => {
    expect(cutOffMs(group(100), 1_000)).toBe(900);
    expect(cutOffMs(group(), 1_000)).toBe(Number.NEGATIVE_INFINITY);
    const rows = [899, 900, 901].map(ms => ({ row: rowAt(ms) }));
    expect(retainedRows(rows, 900)).toEqual(rows.slice(1));
    expect(retainedRows(rows, Number.NEGATIVE_INFINITY)).toBe(rows);
  });

  test('never goes back, however often a definition changes its retention', () => {
    const change = fc.record({
      afterMs: fc.nat(50),
      retentionMs: fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), changes => {
        let nowMs = 1_000;
        let known = group(100);
        let before = cutOffMs(known, nowMs);
        for (const { afterMs, retentionMs } of changes) {
          nowMs += afterMs;
          expect(cutOffMs(known, nowMs)).toBeGreaterThanOrEqual(before);
          before = cutOffMs(known, nowMs);
          known = group(retentionMs, nextRetentionFloorMs(known, retentionMs, nowMs));
          expect(cutOffMs(known, nowMs)).toBeGreaterThanOrEqual(before);
          before = cutOffMs(known, nowMs);
        }
      }),
    );
  });
});

/** One key of one region: two processes with clocks of their own apply and sweep, as the product does. */
class Region {
  stored: Uint8Array | undefined;
  /** The greatest row that was ever stored. */
  greatest: Uint8Array | undefined;
  known = group(100);

  apply(row: Uint8Array, nowMs: number): void {
    if (retainedRows([{ row }], cutOffMs(this.known, nowMs)).length === 0) return;
    if (wins(row, this.stored)) this.stored = row;
    if (wins(row, this.greatest)) this.greatest = row;
  }

  sweep(nowMs: number): void {
    if (this.stored !== undefined && mayPurge(this.stored, cutOffMs(this.known, nowMs), PATIENCE))
      this.stored = undefined;
  }
}

test('S8: after a purge nothing older comes back, whatever arrives late, whoever sweeps, however retention changes', () => {
  // Clocks differ by less than the patience with values.
  const skewMs = fc.integer({ min: 0, max: 9 });
  const step = fc.record({
    passesMs: fc.nat(40),
    skewMs,
    does: fc.constantFrom(
      'apply' as const,
      'delete' as const,
      'sweep' as const,
      'again' as const,
      'change' as const,
    ),
    ageMs: fc.nat(160),
    counter: fc.nat(3),
    retentionMs: fc.option(fc.integer({ min: 20, max: 300 }), { nil: undefined }),
  });
  let purges = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const region = new Region();
      const sent: Uint8Array[] = [];
      let trueMs = 10_000;
      for (const { passesMs, does, ageMs, counter, retentionMs, ...clock } of steps) {
        trueMs += passesMs;
        const nowMs = trueMs + clock.skewMs;
        if (does === 'apply' || does === 'delete')
          sent.push(rowAt(trueMs - ageMs, does === 'delete', counter));
        const again = sent[ageMs % Math.max(1, sent.length)];
        const arrives = does === 'again' ? again : sent.at(-1);
        if (does === 'change')
          region.known = group(retentionMs, nextRetentionFloorMs(region.known, retentionMs, nowMs));
        else if (does !== 'sweep' && arrives !== undefined) region.apply(arrives, nowMs);
        else if (does === 'sweep') {
          const before = region.stored;
          region.sweep(nowMs);
          if (before !== undefined && region.stored === undefined) purges += 1;
        }
        if (region.stored !== undefined) expect(region.stored).toEqual(region.greatest);
      }
    }),
    { numRuns: 2_000 },
  );
  expect(purges).toBeGreaterThan(50);
});

test('S8: the property above notices a purge that comes before the cut-off', () => {
  const region = new Region();
  region.apply(rowAt(9_950), 10_000);
  region.apply(rowAt(9_960, true), 10_000);
  region.stored = undefined;
  region.apply(rowAt(9_950), 10_000);
  expect(region.stored).not.toEqual(region.greatest);
});
