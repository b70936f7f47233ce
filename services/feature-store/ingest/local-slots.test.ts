import { ProblemError, problem } from '@featuremesh/domain/problem';
import { overlay } from '@featuremesh/runtime/overlay';
import { MemoryOnlineStore } from '@featuremesh/testkit/memory/memory-online-store';
import { expect, test } from 'vitest';
import type { ApplyStep, LeaseRef, OnlineStore } from '../ports/online-store.ts';
import type { StampBounds } from '../ports/stamp-bounds.ts';
import { withLocalSlots } from './local-slots.ts';

const TABLE = { groupId: 'aaaaaaaaaaaaaaaa', version: 1, generation: 1 };
const NOW_MS = 1_000_000;

/** A store elsewhere that can be away, and the disk of one machine. */
class World {
  readonly store = new MemoryOnlineStore();
  readonly disk = new MemoryOnlineStore();
  isAway = false;

  process(disk = this.disk): OnlineStore & StampBounds {
    const orAway = <T>(work: () => Promise<T>): Promise<T> =>
      this.isAway ? Promise.reject(new ProblemError(problem('STORE_UNAVAILABLE', 'away'))) : work();
    const inner: OnlineStore & StampBounds = overlay<OnlineStore & StampBounds>(this.store, {
      acquireLease: lease => orAway(() => this.store.acquireLease(lease)),
      stampBoundUs: slot => orAway(() => this.store.stampBoundUs(slot)),
      raiseStampBound: bound => orAway(() => this.store.raiseStampBound(bound)),
      apply: step => orAway(() => this.store.apply(step)),
    });
    return withLocalSlots(inner, 0, disk);
  }
}

const acquire = (
  store: OnlineStore,
  holder: string,
  { atMs = NOW_MS, forMs = 5_000, name = 'slot.0' } = {},
): Promise<LeaseRef | undefined> => store.acquireLease({ name, holder, nowMs: atMs, untilMs: atMs + forMs });

const step = (lease: LeaseRef, sequence: number): ApplyStep => ({
  table: TABLE,
  rows: [],
  watermark: { name: 'own.0@e', sequence },
  lease,
});

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof ProblemError ? error.problem.code : String(error)),
  );

async function owned(store: OnlineStore & StampBounds, holder: string, options = {}): Promise<LeaseRef> {
  const lease = await acquire(store, holder, options);
  if (lease === undefined) throw new Error('not given out');
  return lease;
}

/** A process that held the slot while the store was there, and gave out stamps before 7,000 µs. */
async function before(world: World): Promise<LeaseRef> {
  const store = world.process();
  const lease = await owned(store, 'first');
  await store.raiseStampBound({ slot: 0, upToUs: 7_000n, lease });
  return lease;
}

test('a slot that this machine held last is taken while the store is away, behind its stamps; no step is taken under it', async () => {
  const world = new World();
  await before(world);
  world.isAway = true;
  const store = world.process();
  const lease = await owned(store, 'second', { atMs: NOW_MS + 6_000 });
  expect(lease.isProvisional).toBe(true);
  expect(await store.stampBoundUs(0)).toBe(7_000n);
  await store.raiseStampBound({ slot: 0, upToUs: 9_000n, lease });
  expect(await store.stampBoundUs(0)).toBe(9_000n);
  world.isAway = false;
  expect(await codeOf(store.apply(step(lease, 1)))).toBe('STORE_UNAVAILABLE');
});

test('once the store gives the slot out the lease goes on under its number, and the store’s bound covers its stamps', async () => {
  const world = new World();
  await before(world);
  world.isAway = true;
  const store = world.process();
  const lease = await owned(store, 'second', { atMs: NOW_MS + 6_000 });
  await store.raiseStampBound({ slot: 0, upToUs: 9_000n, lease });
  world.isAway = false;
  const renewed = await owned(store, 'second', { atMs: NOW_MS + 7_000 });
  expect(renewed).toEqual({ name: 'slot.0', epoch: lease.epoch });
  expect(await world.store.stampBoundUs(0)).toBe(9_000n);
  expect(await codeOf(store.apply(step(lease, 4)))).toBe('done');
  expect(await world.store.watermark('own.0@e')).toBe(4);
});

test('where another machine took the slot meanwhile, the provisional lease ends and its steps are stale', async () => {
  const world = new World();
  await before(world);
  world.isAway = true;
  const store = world.process();
  const lease = await owned(store, 'second', { atMs: NOW_MS + 6_000 });
  world.isAway = false;
  const elsewhere = world.process(new MemoryOnlineStore());
  expect(await acquire(elsewhere, 'third', { atMs: NOW_MS + 6_000 })).toBeDefined();
  expect(await acquire(store, 'second', { atMs: NOW_MS + 7_000 })).toBeUndefined();
  expect(await codeOf(store.apply(step(lease, 4)))).toBe('STALE_LEASE');
});

test('a slot that this machine never held, or that a process here holds, is not taken without the store', async () => {
  const world = new World();
  world.isAway = true;
  expect(await codeOf(acquire(world.process(), 'first'))).toBe('STORE_UNAVAILABLE');
  world.isAway = false;
  await before(world);
  world.isAway = true;
  expect(await acquire(world.process(), 'second', { atMs: NOW_MS + 1_000 })).toBeUndefined();
});

test('a lease that the store gave out stays as it is while the store is away: its stamps keep to the bound', async () => {
  const world = new World();
  const store = world.process();
  const lease = await owned(store, 'first');
  await store.raiseStampBound({ slot: 0, upToUs: 7_000n, lease });
  world.isAway = true;
  expect(await codeOf(acquire(store, 'first', { atMs: NOW_MS + 1_000 }))).toBe('STORE_UNAVAILABLE');
  expect(await codeOf(store.raiseStampBound({ slot: 0, upToUs: 9_000n, lease }))).toBe('STORE_UNAVAILABLE');
  world.isAway = false;
  expect(await owned(store, 'first', { atMs: NOW_MS + 2_000 })).toEqual(lease);
  expect(await codeOf(store.apply(step(lease, 1)))).toBe('done');
});
