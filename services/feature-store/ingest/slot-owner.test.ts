import { createLogger } from '@featuremesh/runtime/logger';
import { systemTimer } from '@featuremesh/runtime/timer';
import { WORLD_REGION, WriteWorld } from '@featuremesh/testkit/ingest/write-world';
import { MemoryOnlineStore } from '@featuremesh/testkit/memory/memory-online-store';
import { expect, test, vi } from 'vitest';
import type { ChangeLog } from '../ports/change-log.ts';
import type { LeaseRef, LeaseRequest } from '../ports/online-store.ts';
import { HeldGroups } from './held-groups.ts';
import { LEASE_MS } from './ingest-limits.ts';
import { LogReplay } from './log-replay.ts';
import { ReplaySteps } from './replay-step.ts';
import { SlotOwner } from './slot-owner.ts';

const logger = createLogger({}, { level: 'silent' });
const clock = {
  nowMs: () => Date.now(),
  nowUs: () => BigInt(Date.now()) * 1_000n,
  monotonicMs: () => performance.now(),
};

/** Answers leases late. */
class LimpingStore extends MemoryOnlineStore {
  lateMs = 0;

  override async acquireLease(lease: LeaseRequest): Promise<LeaseRef | undefined> {
    if (this.lateMs > 0) await systemTimer.sleep(this.lateMs);
    return super.acquireLease(lease);
  }
}

const log: ChangeLog = {
  feedEpoch: 'e1',
  append: async () => ({ kind: 'unknown' }),
  async *readFrom() {},
  lastSequence: async () => 0,
} as Pick<ChangeLog, 'feedEpoch' | 'append' | 'readFrom' | 'lastSequence'> as ChangeLog;

test('a store that answers renewals late stops no write: from the end of the lease on it counts as down', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  const world = new WriteWorld({ delays: { features: { text: 'string?' } } });
  const store = new LimpingStore();
  const groups = new HeldGroups({ registry: world.registry, tables: world, region: WORLD_REGION, clock });
  const steps = new ReplaySteps({ groups, region: WORLD_REGION, feedEpoch: log.feedEpoch, clock });
  const replay = new LogReplay({ log, store, steps, timer: systemTimer, logger });
  const owner = new SlotOwner({
    slot: 0,
    holder: 'one',
    log,
    store,
    replay,
    clock,
    timer: systemTimer,
    logger,
  });
  try {
    const starting = owner.start();
    await vi.advanceTimersByTimeAsync(LEASE_MS);
    await starting;
    store.lateMs = LEASE_MS * 0.9;
    for (let ms = 0; ms < 6 * LEASE_MS; ms += 50) {
      await vi.advanceTimersByTimeAsync(50);
      expect(owner.isOwned, `after ${ms} ms`).toBe(true);
    }
    // In time again: nobody else has asked, so it is the same lease.
    store.lateMs = 0;
    await vi.advanceTimersByTimeAsync(2 * LEASE_MS);
    expect(owner.owned().lease.epoch).toBe(1);
  } finally {
    store.lateMs = 0;
    const stopping = owner.stop();
    await vi.advanceTimersByTimeAsync(2 * LEASE_MS);
    await stopping;
    vi.useRealTimers();
  }
});
