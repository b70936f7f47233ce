import { assert } from '@featuremesh/domain/assert';
import { type AcceptedStamp, HybridClock, STAMP_PERSIST_AHEAD_US } from '@featuremesh/domain/hybrid-clock';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Timer } from '@featuremesh/runtime/timer';
import type { LeaseRef } from '../ports/online-store.ts';
import type { StampBounds } from '../ports/stamp-bounds.ts';
import { isStaleLease } from './lease-failures.ts';

/**
 * How far beyond now the bound is kept. Below the permitted skew, so that a quick restart, whose stamps begin at the bound, gives
 * no created times that others would call future.
 */
const BOUND_AHEAD_US = 2_000_000n;

/** Rows wait so long for a bound that is being raised, then stamps keep to the one there is; it takes some milliseconds where nothing is wrong. */
const RESERVE_PATIENCE_MS = 500;

/** Room that a chunk needs beyond its own time: what the hybrid clock asks for, and some for its rows. */
const CHUNK_ROOM_US = STAMP_PERSIST_AHEAD_US + 200_000n;

/**
 * Accepted stamps of one slot. The bound that the hybrid clock must never pass is written before stamps come near it, outside the
 * work on rows, so that no row waits for a write; time stands still within a chunk.
 */
export class StampClock {
  readonly #slot: number;
  readonly #bounds: StampBounds;
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #lease: LeaseRef;
  readonly #stamps: HybridClock;
  #nowUs: bigint;
  #boundUs: bigint;
  #raising: Promise<void> | undefined;
  #isFrozen = false;

  private constructor(options: {
    slot: number;
    bounds: StampBounds;
    clock: Clock;
    timer: Timer;
    lease: LeaseRef;
    startAfterUs: bigint;
  }) {
    this.#slot = options.slot;
    this.#bounds = options.bounds;
    this.#clock = options.clock;
    this.#timer = options.timer;
    this.#lease = options.lease;
    this.#nowUs = later(options.clock.nowUs(), options.startAfterUs);
    this.#boundUs = options.startAfterUs;
    this.#stamps = new HybridClock({
      slot: options.slot,
      startAfterUs: options.startAfterUs,
      nowUs: () => this.#nowUs,
      persistAhead: upToUs => assert(upToUs <= this.#boundUs, 'stamps stay before the persisted bound'),
    });
  }

  /** A clock whose stamps follow the slot's persisted bound and `seenUs`, the latest stamp of the slot found in the log. */
  static async open(options: {
    slot: number;
    bounds: StampBounds;
    clock: Clock;
    timer: Timer;
    lease: LeaseRef;
    seenUs: bigint;
  }): Promise<StampClock> {
    const boundUs = await options.bounds.stampBoundUs(options.slot);
    const clock = new StampClock({ ...options, startAfterUs: later(boundUs, options.seenUs) });
    await clock.#raise();
    if (clock.#isFrozen)
      throw new ProblemError(problem('STORE_UNAVAILABLE', 'the stamp bound cannot be kept'));
    return clock;
  }

  /** Takes the time of a chunk. True where stamps may be taken for it at once; else await `reserve` and ask again. */
  beginChunk(): boolean {
    const nowUs = later(this.#clock.nowUs(), this.#nowUs);
    const latestUs = this.#boundUs - CHUNK_ROOM_US;
    if (nowUs <= latestUs) {
      this.#nowUs = nowUs;
      return true;
    }
    // A chunk that another request is inside of goes on with the time it has: nothing moves before the bound is raised.
    if (!this.#isFrozen) return false;
    // Time stands still before the bound; counters go on, so that stamps stay unique and in order.
    this.#nowUs = latestUs;
    return true;
  }

  /**
   * Raises the persisted bound. While the store does not answer, or not soon, stamps keep to the old one, since writes go on without the
   * store. Rejects with STALE_LEASE where the slot was taken over.
   */
  async reserve(): Promise<void> {
    this.#raising ??= this.#raise().finally(() => {
      this.#raising = undefined;
    });
    const raised = new AbortController();
    const late = this.#timer.sleep(RESERVE_PATIENCE_MS, raised.signal).then(() => {
      if (!raised.signal.aborted && this.#raising !== undefined) this.#isFrozen = true;
    });
    try {
      await Promise.race([this.#raising, late]);
    } finally {
      raised.abort();
    }
  }

  /** The next stamp of the chunk begun last. */
  next(): AcceptedStamp {
    return this.#stamps.next();
  }

  async #raise(): Promise<void> {
    const upToUs = later(this.#clock.nowUs(), this.#nowUs) + BOUND_AHEAD_US;
    try {
      await this.#bounds.raiseStampBound({ slot: this.#slot, upToUs, lease: this.#lease });
      this.#boundUs = later(upToUs, this.#boundUs);
      this.#isFrozen = false;
    } catch (error) {
      if (isStaleLease(error)) throw error;
      this.#isFrozen = true;
    }
  }
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
