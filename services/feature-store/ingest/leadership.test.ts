import { ProblemError, problem } from '@featuremesh/domain/problem';
import { createLogger } from '@featuremesh/runtime/logger';
import { MemoryOnlineStore } from '@featuremesh/testkit/memory/memory-online-store';
import { expect, test } from 'vitest';
import type { LeaseRef, LeaseRequest } from '../ports/online-store.ts';
import { Leadership } from './leadership.ts';

const LEASE = 'projector';
const WAIT = { timeout: 20_000 };

/** Leases of a store that can be away, and one process that leads; its time is counted in calls, a second each. */
class World {
  readonly store = new MemoryOnlineStore();
  readonly led: number[] = [];
  /** Ends the work under way, with an error where one is given. */
  end: (error?: Error) => void = () => undefined;
  isAway = false;
  nowMs = 1_000_000;
  readonly leadership: Leadership;

  constructor() {
    this.leadership = new Leadership({
      lease: LEASE,
      holder: 'one',
      store: { acquireLease: lease => this.acquire(lease) },
      clock: { nowMs: () => this.nowMs, nowUs: () => 0n },
      timer: {
        sleep: async ms => {
          this.nowMs += ms;
          await new Promise(resolve => setImmediate(resolve));
        },
        every: () => ({ stop: () => undefined }),
      },
      logger: createLogger({ process: 'test' }, { level: 'silent' }),
      lead: ({ epoch }, signal) => {
        this.led.push(epoch);
        const ended = new Promise<void>((resolve, reject) => {
          this.end = error => (error === undefined ? resolve() : reject(error));
          signal.addEventListener('abort', () => resolve());
        });
        return [ended];
      },
    });
  }

  async acquire(lease: LeaseRequest): Promise<LeaseRef | undefined> {
    if (this.isAway) throw new ProblemError(problem('STORE_UNAVAILABLE', 'away'));
    return this.store.acquireLease(lease);
  }

  /** Another process asks for the lease now. */
  other(): Promise<LeaseRef | undefined> {
    const { nowMs } = this;
    return this.acquire({ name: LEASE, holder: 'other', nowMs, untilMs: nowMs + 5_000 });
  }

  /** Lets so many renewals pass. */
  async passes(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    await expect.poll(() => this.nowMs, WAIT).toBeGreaterThan(untilMs);
  }
}

test('whoever leads goes on while leases cannot be had, also after its work failed; nobody begins to lead then', async () => {
  const world = new World();
  const late = new World();
  late.isAway = true;
  world.leadership.start();
  late.leadership.start();
  await expect.poll(() => world.led, WAIT).toEqual([1]);
  world.isAway = true;
  await world.passes(60_000);
  expect([world.led, world.leadership.isActive]).toEqual([[1], true]);
  world.end(new ProblemError(problem('STORE_UNAVAILABLE', 'a step failed')));
  await expect.poll(() => world.led, WAIT).toEqual([1, 1]);
  await late.passes(10_000);
  expect(late.led).toEqual([]);
  await Promise.all([world.leadership.stop(), late.leadership.stop()]);
});

test('a lease that another process was given meanwhile ends the work at the first word of it', async () => {
  const world = new World();
  world.leadership.start();
  await expect.poll(() => world.led, WAIT).toEqual([1]);
  world.isAway = true;
  await world.passes(60_000);
  world.isAway = false;
  expect(await world.other()).toMatchObject({ epoch: 2 });
  // Led again under a lease of its own, once the other let it run out.
  await expect.poll(() => world.led, WAIT).toEqual([1, 3]);
  // A step that is refused says so where leases cannot be asked for.
  const fenced = new World();
  fenced.leadership.start();
  await expect.poll(() => fenced.led, WAIT).toEqual([1]);
  fenced.isAway = true;
  fenced.end(new ProblemError(problem('STALE_LEASE', 'taken over')));
  await expect.poll(() => fenced.leadership.isActive, WAIT).toBe(false);
  await fenced.passes(10_000);
  expect(fenced.led).toEqual([1]);
  await Promise.all([world.leadership.stop(), fenced.leadership.stop()]);
});
