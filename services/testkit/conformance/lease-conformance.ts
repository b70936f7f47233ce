import { MAX_CLOCK_SKEW_MS } from '@featuremesh/domain/limits';
import type { ApplyStep } from '@featuremesh/feature-store/ports/online-store';
import { expect, test } from 'vitest';
import { testRow } from '../generators/packed-rows.ts';
import { codeOf, type OnlineStoreSubject, type Store, stored, TABLE } from './store-subject.ts';

/** What the OnlineStore port promises of leases, and StampBounds of bounds under them. */
export function leaseTests(store: Store, subject: () => OnlineStoreSubject): void {
  const lease = (holder: string, nowMs: number, forMs = 10) => ({
    name: 'l',
    holder,
    nowMs,
    untilMs: nowMs + forMs,
  });

  test('a lease has one holder at a time; a change of holder raises its epoch', async () => {
    const other = await subject().reopen();
    expect(await store().acquireLease(lease('a', 0))).toEqual({ name: 'l', epoch: 1 });
    expect(await other.acquireLease(lease('b', 9))).toBeUndefined();
    expect(await store().acquireLease(lease('a', 9))).toEqual({ name: 'l', epoch: 1 });
    expect(await other.acquireLease(lease('b', 19))).toEqual({ name: 'l', epoch: 2 });
    expect(await store().acquireLease(lease('a', 20))).toBeUndefined();
    await other.acquireLease(lease('b', 20, 0));
    expect(await store().acquireLease(lease('a', 20))).toEqual({ name: 'l', epoch: 3 });
    await other.close();
  });

  test('a lease that ends later than any that could be given now, from a clock that was wrong, keeps nobody out', async () => {
    expect(await store().acquireLease(lease('a', 3_600_000))).toEqual({ name: 'l', epoch: 1 });
    expect(await store().acquireLease(lease('b', 0))).toMatchObject({ name: 'l', epoch: 2 });
    expect(await store().acquireLease(lease('a', MAX_CLOCK_SKEW_MS))).toMatchObject({ name: 'l', epoch: 3 });
    expect(await store().acquireLease(lease('b', 0))).toBeUndefined();
  });

  test('of many that race for a lease one gets it', async () => {
    const racers = Array.from({ length: 12 }, (_, at) => store().acquireLease(lease(`r${at}`, 0)));
    expect((await Promise.all(racers)).filter(won => won !== undefined)).toHaveLength(1);
  });

  test('a step under a lost lease leaves nothing behind', async () => {
    const first = await store().acquireLease(lease('a', 0));
    const second = await store().acquireLease(lease('b', 10));
    const step: ApplyStep = {
      table: TABLE,
      rows: [stored('a', testRow({ eventTimeUs: 1n }))],
      watermark: { name: 'w', sequence: 4 },
      idempotency: { id: 'i', bodyHash: 'h', answer: '', storedAtMs: 1 },
    };
    expect(await codeOf(store().apply({ ...step, ...(first && { lease: first }) }))).toBe('STALE_LEASE');
    expect(await store().countRows(TABLE)).toBe(0);
    expect(await store().watermark('w')).toBe(0);
    expect(await store().idempotency('i')).toBeUndefined();
    expect(await codeOf(store().apply({ ...step, ...(second && { lease: second }) }))).toBe('fulfilled');
    expect(await store().watermark('w')).toBe(4);
  });

  test('a stamp bound only rises, per slot, and only under the lease', async () => {
    const old = (await store().acquireLease(lease('a', 0))) ?? { name: '', epoch: 0 };
    await store().raiseStampBound({ slot: 1, upToUs: 1_700_000_000_000_000n, lease: old });
    await store().raiseStampBound({ slot: 1, upToUs: 5n, lease: old });
    const held = (await store().acquireLease(lease('b', 10))) ?? { name: '', epoch: 0 };
    expect(
      await codeOf(store().raiseStampBound({ slot: 1, upToUs: 1_800_000_000_000_000n, lease: old })),
    ).toBe('STALE_LEASE');
    await store().raiseStampBound({ slot: 2, upToUs: 7n, lease: held });
    const again = await subject().reopen();
    expect(await again.stampBoundUs(1)).toBe(1_700_000_000_000_000n);
    expect(await again.stampBoundUs(2)).toBe(7n);
    expect(await again.stampBoundUs(3)).toBe(0n);
    await again.close();
  });
}
