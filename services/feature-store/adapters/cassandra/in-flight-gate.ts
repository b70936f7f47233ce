import { ProblemError, problem } from '@featuremesh/domain/problem';
import {
  MAX_STATEMENTS_IN_FLIGHT,
  MAX_STATEMENTS_WAITING,
  STORE_OVERLOADED_RETRY_MS,
} from './cassandra-options.ts';

/** Bounds the statements in flight and those that wait, first come first served; beyond both, work is refused with OVERLOADED. */
export class InFlightGate {
  readonly #maxInFlight: number;
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #head = 0;
  #inFlight = 0;

  constructor(bounds: { maxInFlight?: number; maxWaiting?: number } = {}) {
    this.#maxInFlight = bounds.maxInFlight ?? MAX_STATEMENTS_IN_FLIGHT;
    this.#maxWaiting = bounds.maxWaiting ?? MAX_STATEMENTS_WAITING;
  }

  /** Statements that run now. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Statements that wait now. */
  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  /** Runs `work` when there is room; not at all where `expired` aborted while it waited. */
  async run<T>(work: () => Promise<T>, expired: AbortSignal): Promise<T> {
    if (this.#inFlight >= this.#maxInFlight) await this.#wait();
    else this.#inFlight += 1;
    try {
      if (expired.aborted)
        throw new ProblemError(
          problem('STORE_UNAVAILABLE', 'the deadline passed before Cassandra was asked'),
        );
      return await work();
    } finally {
      this.#leave();
    }
  }

  #wait(): Promise<void> {
    if (this.waiting >= this.#maxWaiting) {
      throw new ProblemError(
        problem('OVERLOADED', 'too many statements wait for Cassandra', {
          extra: { retryAfterMs: STORE_OVERLOADED_RETRY_MS },
        }),
      );
    }
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  /** The room passes on to the one that waited longest. */
  #leave(): void {
    const next = this.#waiting[this.#head];
    if (next === undefined) {
      this.#inFlight -= 1;
      return;
    }
    this.#head += 1;
    if (this.#head > 1_024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    next();
  }
}
