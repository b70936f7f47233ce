import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Timer } from '@featuremesh/runtime/timer';
import { DEADLINE_SWEEP_MS } from '../limits.ts';

/** A call that ends at a time at the latest. */
export interface Deadline {
  readonly atMs: number;
  /** Ends the call; called once, unless the deadline is cancelled before. */
  readonly pass: () => void;
}

/** Deadlines of many calls under one timer: a timer and two signals for each call took a tenth of the gateway's time. */
export class Deadlines {
  readonly #clock: MonotonicClock;
  readonly #timer: Timer;
  readonly #open = new Set<Deadline>();
  #isWatching = false;

  constructor(machine: { readonly clock: MonotonicClock; readonly timer: Timer }) {
    this.#clock = machine.clock;
    this.#timer = machine.timer;
  }

  /** Calls `pass` once `ms` have passed, at most `DEADLINE_SWEEP_MS` later. */
  open(ms: number, pass: () => void): Deadline {
    const deadline = { atMs: this.#clock.monotonicMs() + ms, pass };
    this.#open.add(deadline);
    if (!this.#isWatching) void this.#watch();
    return deadline;
  }

  /** Forgets a deadline; nothing happens where it has passed. */
  cancel(deadline: Deadline): void {
    this.#open.delete(deadline);
  }

  async #watch(): Promise<void> {
    this.#isWatching = true;
    while (this.#open.size > 0) {
      await this.#timer.sleep(DEADLINE_SWEEP_MS);
      const nowMs = this.#clock.monotonicMs();
      for (const deadline of this.#open) {
        if (deadline.atMs > nowMs) continue;
        this.#open.delete(deadline);
        deadline.pass();
      }
    }
    this.#isWatching = false;
  }
}
