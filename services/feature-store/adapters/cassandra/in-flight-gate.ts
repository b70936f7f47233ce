import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import {
  MAX_READ_WAIT_MS,
  MAX_ROWS_IN_FLIGHT,
  MAX_STATEMENTS_WAITING,
  STORE_OVERLOADED_RETRY_MS,
} from './cassandra-options.ts';

/** Of so many rooms that become free one goes to other work even while reads wait: a flood of reads must not stop writes. */
const READS_IN_A_ROW = 3;

/** What a statement is to those who wait: leases of the process must not wait behind its rows, or it loses them; they are few. */
export type Passage = 'read' | 'write' | 'control';

/** What waits for rooms, and since when. */
interface Waiting {
  readonly rooms: number;
  readonly begin: () => void;
  readonly sinceMs: number;
}

/**
 * Bounds what is in flight, by rows, since these are the work of a statement, and the statements that wait. Someone waits for a read, so reads go first, and one more is refused with
 * OVERLOADED once the oldest has waited too long: those that are taken are answered in time. Other work waits in a queue of its own.
 */
export class InFlightGate {
  readonly #clock: MonotonicClock;
  readonly #maxInFlight: number;
  readonly #maxWaiting: number;
  readonly #reads = new WaitingLine();
  readonly #others = new WaitingLine();
  #readsInARow = 0;
  #inFlight = 0;

  constructor(clock: MonotonicClock, bounds: { maxInFlight?: number; maxWaiting?: number } = {}) {
    this.#clock = clock;
    this.#maxInFlight = bounds.maxInFlight ?? MAX_ROWS_IN_FLIGHT;
    this.#maxWaiting = bounds.maxWaiting ?? MAX_STATEMENTS_WAITING;
  }

  /** Rows of the statements that run now. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Statements that wait now. */
  get waiting(): number {
    return this.#reads.length + this.#others.length;
  }

  /** Runs `work`, which takes so many rooms, when one is free; not at all where `expired` aborted while it waited. */
  async run<T>(
    work: () => Promise<T>,
    how: { readonly expired: AbortSignal; readonly as?: Passage; readonly rooms?: number },
  ): Promise<T> {
    const { expired, as = 'write', rooms = 1 } = how;
    if (as !== 'control' && this.#inFlight >= this.#maxInFlight) await this.#wait(as === 'read', rooms);
    else this.#inFlight += rooms;
    try {
      if (expired.aborted)
        throw new ProblemError(
          problem('STORE_UNAVAILABLE', 'the deadline passed before Cassandra was asked'),
        );
      return await work();
    } finally {
      this.#leave(rooms);
    }
  }

  #wait(isRead: boolean, rooms: number): Promise<void> {
    const line = isRead ? this.#reads : this.#others;
    const sinceMs = this.#clock.monotonicMs();
    const isLate = isRead && sinceMs - (line.oldestSinceMs ?? sinceMs) > MAX_READ_WAIT_MS;
    if (isLate || line.length >= this.#maxWaiting) {
      throw new ProblemError(
        problem('OVERLOADED', 'too many statements wait for Cassandra', {
          extra: { retryAfterMs: STORE_OVERLOADED_RETRY_MS },
        }),
      );
    }
    return new Promise(resolve => line.add({ begin: resolve, rooms, sinceMs }));
  }

  /** Rooms pass on to reads, or in its turn to other work; to those that waited longest. */
  #leave(rooms: number): void {
    this.#inFlight -= rooms;
    // Leases take rooms that there are not.
    while (this.#inFlight < this.#maxInFlight) {
      const isOthersTurn = this.#reads.length === 0 || this.#readsInARow >= READS_IN_A_ROW;
      const next =
        (isOthersTurn ? this.#others.take() : undefined) ?? this.#reads.take() ?? this.#others.take();
      if (next === undefined) return;
      this.#readsInARow = isOthersTurn ? 0 : this.#readsInARow + 1;
      this.#inFlight += next.rooms;
      next.begin();
    }
  }
}

/** First come, first served. */
class WaitingLine {
  readonly #waiting: Waiting[] = [];
  #head = 0;

  get length(): number {
    return this.#waiting.length - this.#head;
  }

  get oldestSinceMs(): number | undefined {
    return this.#waiting[this.#head]?.sinceMs;
  }

  add(waiting: Waiting): void {
    this.#waiting.push(waiting);
  }

  take(): Waiting | undefined {
    const next = this.#waiting[this.#head];
    if (next === undefined) return undefined;
    this.#head += 1;
    if (this.#head > 1_024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    return next;
  }
}
