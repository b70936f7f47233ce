import { assert } from './assert.ts';
import { MAX_CLOCK_SKEW_MS } from './limits.ts';

/**
 * An accepted stamp: physical time in microseconds, a counter within it, and the node slot of the accepting process.
 * Unique in a region, never going back within a process (A3). Encoded as 12 bytes, big-endian, so that bytes compare as time.
 */
export interface AcceptedStamp {
  readonly physicalUs: bigint;
  readonly counter: number;
  readonly slot: number;
}

/** Largest counter: two bytes of the row header. One microsecond later it starts anew. */
export const MAX_STAMP_COUNTER = 0xffff;

/** How far ahead of the last stamp the bound is persisted: one small write a second, and at most one second skipped by a restart. */
export const STAMP_PERSIST_AHEAD_US = 1_000_000n;

/** What a hybrid clock needs: its node slot, the time, where to keep its bound, and the bound that the last run kept. */
export interface HybridClockOptions {
  readonly slot: number;
  readonly nowUs: () => bigint;
  /** Called before the first stamp beyond the last bound is handed out; must be durable when it returns. */
  readonly persistAhead: (upToUs: bigint) => void;
  /** The last persisted bound; every stamp is later than it. */
  readonly startAfterUs: bigint;
}

/**
 * Hybrid logical clock (Kulkarni et al. 2014): follows the wall clock, never goes back, not even across a restart, and hands out
 * no stamp twice as long as no two live processes share a slot.
 */
export class HybridClock {
  readonly #options: HybridClockOptions;
  #lastUs: bigint;
  #counter = MAX_STAMP_COUNTER;
  #persistedUs: bigint;

  constructor(options: HybridClockOptions) {
    assert(
      Number.isInteger(options.slot) && options.slot >= 0 && options.slot <= 0xffff,
      'slot fits two bytes',
    );
    this.#options = options;
    // With the counter at its end the next stamp is at least one microsecond after the bound.
    this.#lastUs = options.startAfterUs;
    this.#persistedUs = options.startAfterUs;
  }

  /** The next stamp, greater than all before it. */
  next(): AcceptedStamp {
    const nowUs = this.#options.nowUs();
    if (nowUs > this.#lastUs) this.#moveTo(nowUs);
    else if (this.#counter < MAX_STAMP_COUNTER) this.#counter++;
    else this.#moveTo(this.#lastUs + 1n);
    if (this.#lastUs > this.#persistedUs) {
      const upToUs = this.#lastUs + STAMP_PERSIST_AHEAD_US;
      this.#options.persistAhead(upToUs);
      this.#persistedUs = upToUs;
    }
    return { physicalUs: this.#lastUs, counter: this.#counter, slot: this.#options.slot };
  }

  /** Lets later stamps follow a time seen elsewhere; at most the permitted skew ahead, so that one wrong clock cannot drag ours away. */
  observe(physicalUs: bigint): void {
    const boundUs = this.#options.nowUs() + BigInt(MAX_CLOCK_SKEW_MS) * 1_000n;
    const seenUs = physicalUs < boundUs ? physicalUs : boundUs;
    if (seenUs > this.#lastUs) {
      this.#lastUs = seenUs;
      this.#counter = MAX_STAMP_COUNTER;
    }
  }

  #moveTo(us: bigint): void {
    this.#lastUs = us;
    this.#counter = 0;
  }
}
