import type { Clock, MonotonicClock } from '@featuremesh/runtime/clock';
import type { Repetition, Timer } from '@featuremesh/runtime/timer';
import type { Scheduler } from './scheduler.ts';

/**
 * Clock and timer of one simulated process. The clock has the region's skew; timers run on true time and never fire again once the
 * process was killed, so that whatever waited in it simply ends, as code of a killed process does.
 */
export class ProcessTime implements Clock, MonotonicClock, Timer {
  readonly #scheduler: Scheduler;
  readonly #skewMs: () => number;
  #alive = true;

  constructor(scheduler: Scheduler, skewMs: () => number) {
    this.#scheduler = scheduler;
    this.#skewMs = skewMs;
  }

  /** False once the process was killed. */
  get alive(): boolean {
    return this.#alive;
  }

  /** Ends the process without warning: nothing of it runs after the events of this moment. */
  kill(): void {
    this.#alive = false;
  }

  nowMs(): number {
    return Math.floor(this.#scheduler.nowMs() + this.#skewMs());
  }

  nowUs(): bigint {
    return BigInt(Math.floor((this.#scheduler.nowMs() + this.#skewMs()) * 1_000));
  }

  monotonicMs(): number {
    return this.#scheduler.nowMs();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.sleepUntil(ms, signal, () => undefined);
  }

  /** As `sleep`, and ends as soon as the function is called that `onWake` is given. */
  sleepUntil(ms: number, signal: AbortSignal | undefined, onWake: (wake: () => void) => void): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise(resolve => {
      const done = (): void => {
        cancel();
        signal?.removeEventListener('abort', done);
        if (this.#alive) resolve();
      };
      const cancel = this.#scheduler.after(ms, done);
      signal?.addEventListener('abort', done);
      onWake(done);
    });
  }

  every(ms: number, task: () => void | Promise<void>): Repetition {
    let stopped = false;
    const run = async (): Promise<void> => {
      if (stopped || !this.#alive) return;
      await task();
      if (!stopped && this.#alive) this.#scheduler.after(ms, () => void run());
    };
    this.#scheduler.after(ms, () => void run());
    return {
      stop: () => {
        stopped = true;
      },
    };
  }

  /** Answers of I/O: resolves after `delayMs` with `answer()`, never where the process died meanwhile. The effect is the caller's. */
  later<T>(delayMs: number, answer: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#scheduler.after(delayMs, () => {
        if (!this.#alive) return;
        try {
          resolve(answer());
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}
