import { MemoryOnlineState, MemoryOnlineStore } from '@featuremesh/testkit/memory/memory-online-store';
import { expect, test } from 'vitest';
import { StampClock } from './stamp-clock.ts';

/** Waits end when the test says so. */
let ends: (() => void)[] = [];
const timer = {
  sleep: (_: number, signal?: AbortSignal) =>
    new Promise<void>(resolve => {
      ends.push(resolve);
      signal?.addEventListener('abort', () => resolve(), { once: true });
    }),
  every: () => ({ stop: () => undefined }),
};

const state = (): MemoryOnlineState => new MemoryOnlineState();

async function open(kept: MemoryOnlineState, clock: { us: bigint }, seenUs = 0n, holder = 'a') {
  const bounds = new MemoryOnlineStore({ state: kept });
  const lease = await bounds.acquireLease({ name: 'slot.1', holder, nowMs: 0, untilMs: 0 });
  if (lease === undefined) throw new Error('no lease');
  const now = { nowMs: () => Number(clock.us / 1_000n), nowUs: () => clock.us };
  return { bounds, stamps: await StampClock.open({ slot: 1, bounds, clock: now, timer, lease, seenUs }) };
}

test('stamps rise within and between chunks, and stay before the bound that was kept', async () => {
  const clock = { us: 1_000_000_000n };
  const { stamps, bounds } = await open(state(), clock);
  let last = { physicalUs: 0n, counter: 0 };
  for (let chunk = 0; chunk < 20; chunk += 1) {
    clock.us += 300_000n;
    while (!stamps.beginChunk()) await stamps.reserve();
    for (let row = 0; row < 512; row += 1) {
      const stamp = stamps.next();
      expect(stamp.physicalUs > last.physicalUs || stamp.counter > last.counter).toBe(true);
      last = stamp;
    }
    expect((await bounds.stampBoundUs(1)) > last.physicalUs).toBe(true);
  }
});

test('after a restart, also with a clock that jumped back, stamps follow all that was given out', async () => {
  const kept = state();
  const clock = { us: 5_000_000_000n };
  const first = await open(kept, clock);
  first.stamps.beginChunk();
  const before = first.stamps.next();
  clock.us -= 60_000_000n;
  const second = await open(kept, clock, 0n, 'b');
  expect(second.stamps.beginChunk()).toBe(true);
  expect(second.stamps.next().physicalUs > before.physicalUs).toBe(true);
});

test('a quick restart begins less than the permitted skew ahead of the clock', async () => {
  const kept = state();
  const clock = { us: 5_000_000_000n };
  await open(kept, clock);
  const { stamps } = await open(kept, clock);
  stamps.beginChunk();
  expect(stamps.next().physicalUs - clock.us < 5_000_000n).toBe(true);
});

test('a stamp of the slot found in the log counts where the bound was lost', async () => {
  const clock = { us: 1_000_000n };
  const { stamps } = await open(state(), clock, 9_000_000n);
  stamps.beginChunk();
  expect(stamps.next().physicalUs > 9_000_000n).toBe(true);
});

test('a clock that jumps ahead makes the chunk wait for a new bound', async () => {
  const clock = { us: 1_000_000n };
  const { stamps } = await open(state(), clock);
  clock.us += 3_600_000_000n;
  expect(stamps.beginChunk()).toBe(false);
  await stamps.reserve();
  expect(stamps.beginChunk()).toBe(true);
  expect(stamps.next().physicalUs).toBe(clock.us);
});

test('without the lease no bound can be raised', async () => {
  const kept = state();
  const clock = { us: 1_000_000n };
  const { stamps } = await open(kept, clock);
  await open(kept, clock, 0n, 'b');
  await expect(stamps.reserve()).rejects.toMatchObject({ problem: { code: 'STALE_LEASE' } });
});

test('while the store is down stamps go on before the bound, unique and in order, and follow the clock again after it', async () => {
  const clock = { us: 1_000_000n };
  const { stamps, bounds } = await open(state(), clock);
  const raise = bounds.raiseStampBound.bind(bounds);
  bounds.raiseStampBound = () => Promise.reject(new Error('down'));
  let last = { physicalUs: 0n, counter: 0 };
  for (let chunk = 0; chunk < 300; chunk += 1) {
    clock.us += 1_000_000n;
    while (!stamps.beginChunk()) await stamps.reserve();
    for (let row = 0; row < 512; row += 1) {
      const stamp = stamps.next();
      if (stamp.physicalUs <= last.physicalUs) expect(stamp.counter).toBe(last.counter + 1);
      last = stamp;
    }
  }
  expect((await bounds.stampBoundUs(1)) > last.physicalUs).toBe(true);
  bounds.raiseStampBound = raise;
  await stamps.reserve();
  expect(stamps.beginChunk()).toBe(true);
  expect(stamps.next().physicalUs).toBe(clock.us);
});

test('a request inside its chunk goes on while another waits for a new bound', async () => {
  const clock = { us: 1_000_000n };
  const { stamps } = await open(state(), clock);
  expect(stamps.beginChunk()).toBe(true);
  const before = stamps.next();
  clock.us += 60_000_000n;
  expect(stamps.beginChunk()).toBe(false);
  expect(stamps.next()).toEqual({ ...before, counter: before.counter + 1 });
});

test('rows do not wait for a bound whose raising hangs: stamps keep to the one there is, and go on when it was raised', async () => {
  const clock = { us: 5_000_000_000n };
  const { stamps, bounds } = await open(state(), clock);
  expect(stamps.beginChunk()).toBe(true);
  const before = stamps.next();
  let answer = (): void => undefined;
  const answered = new Promise<void>(resolve => {
    answer = resolve;
  });
  const raise = bounds.raiseStampBound.bind(bounds);
  bounds.raiseStampBound = bound => answered.then(() => raise(bound));
  clock.us += 10_000_000n;
  expect(stamps.beginChunk()).toBe(false);
  ends = [];
  const reserving = stamps.reserve();
  for (const end of ends) end();
  await reserving;
  expect(stamps.beginChunk()).toBe(true);
  const frozen = stamps.next();
  expect(frozen.physicalUs > before.physicalUs).toBe(true);
  expect(frozen.physicalUs < (await bounds.stampBoundUs(1))).toBe(true);
  const again = stamps.reserve();
  answer();
  await again;
  expect(stamps.beginChunk()).toBe(true);
  expect(stamps.next().physicalUs).toBe(clock.us);
});
