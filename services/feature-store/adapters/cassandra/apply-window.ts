import { ProblemError } from '@featuremesh/domain/problem';
import { MAX_ROWS_APPLYING } from './cassandra-options.ts';

/** A step that waits for its turn. */
interface Waiting {
  readonly rows: number;
  readonly begin: () => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Lets steps begin in the order in which they are issued, as many rows at a time as a slow cluster writes within a step's deadline: of more,
 * those that wait would pass theirs, and be applied again from the log.
 */
export class ApplyWindow {
  #waiting: Waiting[] = [];
  #rows = 0;

  /** Runs `work`, a step of so many rows, in its turn; a larger step than fits goes alone. Rejects as it does, or as one before it did that found no store. */
  async run<T>(rows: number, work: () => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || !this.#fits(rows))
      await new Promise<void>((begin, fail) => this.#waiting.push({ rows, begin, fail }));
    else this.#rows += rows;
    try {
      return await work();
    } catch (error) {
      if (isUnavailable(error)) this.#failWaiting(error);
      throw error;
    } finally {
      this.#rows -= rows;
      this.#beginNext();
    }
  }

  #fits(rows: number): boolean {
    return this.#rows === 0 || this.#rows + rows <= MAX_ROWS_APPLYING;
  }

  #beginNext(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.rows); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#rows += next.rows;
      next.begin();
    }
  }

  /** None of them would move a watermark past the one that failed: whoever issued them reads the log again. */
  #failWaiting(error: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { fail } of waiting) fail(error);
  }
}

const isUnavailable = (error: unknown): boolean =>
  error instanceof ProblemError && error.problem.code === 'STORE_UNAVAILABLE';
