import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Timer } from '@featuremesh/runtime/timer';

/** A piece of work under way. */
interface Bounded {
  readonly dueMs: number;
  /** Undefined once the work has ended. */
  expire: (() => void) | undefined;
}

/** Pieces of work of one length, in the order in which they are due. */
interface Line {
  waiting: Bounded[];
  isWatched: boolean;
}

/**
 * Bounds work in time. Nearly all of it ends long before, so one timer watches everything of one length: a timer, a signal that aborts and
 * its exception for each read took a tenth of a service's time (profiled).
 */
export class Deadlines {
  readonly #clock: MonotonicClock;
  readonly #timer: Timer;
  readonly #closing = new AbortController();
  readonly #lines = new Map<number, Line>();

  constructor(clock: MonotonicClock, timer: Timer) {
    this.#clock = clock;
    this.#timer = timer;
  }

  /** What `work` resolves or rejects with; STORE_UNAVAILABLE once `deadlineMs` have passed, and then its signal aborts. */
  within<T>(deadlineMs: number, work: (expired: AbortSignal) => Promise<T>): Promise<T> {
    const over = new AbortController();
    return new Promise((resolve, reject) => {
      const bounded: Bounded = {
        dueMs: this.#clock.monotonicMs() + deadlineMs,
        expire: () => {
          over.abort();
          reject(
            new ProblemError(problem('STORE_UNAVAILABLE', 'Cassandra did not answer within the deadline')),
          );
        },
      };
      this.#watch(bounded, deadlineMs);
      work(over.signal).then(
        value => {
          bounded.expire = undefined;
          resolve(value);
        },
        (error: unknown) => {
          bounded.expire = undefined;
          reject(error);
        },
      );
    });
  }

  /** No timer is left behind; work under way is bounded by nothing any more. */
  close(): void {
    this.#closing.abort();
  }

  #watch(bounded: Bounded, deadlineMs: number): void {
    let line = this.#lines.get(deadlineMs);
    if (line === undefined) {
      line = { waiting: [], isWatched: false };
      this.#lines.set(deadlineMs, line);
    }
    line.waiting.push(bounded);
    if (!line.isWatched) void this.#expireIn(line);
  }

  async #expireIn(line: Line): Promise<void> {
    line.isWatched = true;
    for (let [first] = line.waiting; first !== undefined; [first] = line.waiting) {
      await this.#timer.sleep(Math.max(0, first.dueMs - this.#clock.monotonicMs()), this.#closing.signal);
      if (this.#closing.signal.aborted) return;
      const nowMs = this.#clock.monotonicMs();
      for (const { dueMs, expire } of line.waiting) if (dueMs <= nowMs) expire?.();
      line.waiting = line.waiting.filter(({ dueMs, expire }) => dueMs > nowMs && expire !== undefined);
    }
    line.isWatched = false;
  }
}
