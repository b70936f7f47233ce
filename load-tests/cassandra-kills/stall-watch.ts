import type { Repetition, Timer } from '@featuremesh/runtime/timer';

const LOOK_MS = 20;

/** Longest times without a good answer, ms. */
export interface Stalls {
  readonly readsMs: number;
  readonly writesMs: number;
}

/** Looks at two counters of good answers that only rise, and keeps the longest time in which each stood still. */
export class StallWatch {
  readonly #repetition: Repetition;
  readonly #reads: Stall;
  readonly #writes: Stall;

  constructor(timer: Timer, counters: { readonly reads: () => number; readonly writes: () => number }) {
    this.#reads = new Stall(counters.reads);
    this.#writes = new Stall(counters.writes);
    this.#repetition = timer.every(LOOK_MS, () => {
      this.#reads.look();
      this.#writes.look();
    });
  }

  /** The longest since it was last taken. */
  take(): Stalls {
    return { readsMs: this.#reads.take(), writesMs: this.#writes.take() };
  }

  stop(): void {
    this.#repetition.stop();
  }
}

class Stall {
  readonly #counter: () => number;
  #count = 0;
  #sinceMs = performance.now();
  #longestMs = 0;

  constructor(counter: () => number) {
    this.#counter = counter;
  }

  look(): void {
    const count = this.#counter();
    const nowMs = performance.now();
    this.#longestMs = Math.max(this.#longestMs, nowMs - this.#sinceMs);
    if (count === this.#count) return;
    this.#count = count;
    this.#sinceMs = nowMs;
  }

  take(): number {
    this.look();
    const longestMs = Math.round(this.#longestMs);
    this.#longestMs = 0;
    return longestMs;
  }
}
