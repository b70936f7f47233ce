import type { MonotonicClock } from './clock.ts';
import type { Timer } from './timer.ts';

/** How often work under way is looked through for passed deadlines: a hundredth of a region's deadline. */
const SWEEP_MS = 20;

/** Work that ends at a time at the latest. */
export interface Deadline {
  readonly atMs: number;
  /** Ends the work; called once, unless the deadline is cancelled before. */
  readonly pass: () => void;
}

/** Deadlines of many calls under one timer: a timer and a signal for each took a tenth of a gateway's time, and of a service's on Cassandra (profiled). */
export class Deadlines {
  readonly #clock: MonotonicClock;
  readonly #timer: Timer;
  readonly #open = new Set<Deadline>();
  #isWatching = false;

  constructor(machine: { readonly clock: MonotonicClock; readonly timer: Timer }) {
    this.#clock = machine.clock;
    this.#timer = machine.timer;
  }

  /** Calls `pass` once `ms` have passed, at most 20 ms later. */
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
      await this.#timer.sleep(SWEEP_MS);
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
