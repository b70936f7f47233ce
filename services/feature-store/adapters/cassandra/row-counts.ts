import type { MonotonicClock } from '@featuremesh/runtime/clock';

/** Rows from which a count is worth keeping: the server reads all of them each time, about a second for half a million. */
const LARGE_ROWS = 20_000;
/** How long the count of a large table is answered again; nobody decides by it. */
const KEPT_MS = 60_000;
/** Tables whose count is kept. */
const MAX_KEPT = 2_000;

/** Counts of tables: of small ones as they are, of large ones up to a minute old, and never two counts of one table at once. */
export class RowCounts {
  readonly #clock: MonotonicClock;
  readonly #kept = new Map<string, { readonly count: number; readonly atMs: number }>();
  readonly #counting = new Map<string, Promise<number>>();

  constructor(clock: MonotonicClock) {
    this.#clock = clock;
  }

  /** The count of the table, by `count` where none is kept. Rejects as that does. */
  of(table: string, count: () => Promise<number>): Promise<number> {
    const kept = this.#kept.get(table);
    if (kept !== undefined && this.#clock.monotonicMs() - kept.atMs < KEPT_MS)
      return Promise.resolve(kept.count);
    let counting = this.#counting.get(table);
    // A count that has begun may have passed rows that came since: only large tables share it.
    if (counting === undefined || kept === undefined) {
      counting = this.#count(table, count);
      this.#counting.set(table, counting);
    }
    return counting;
  }

  /** The table was dropped: what is counted next is another one. */
  forget(table: string): void {
    this.#kept.delete(table);
  }

  async #count(table: string, count: () => Promise<number>): Promise<number> {
    try {
      const counted = await count();
      this.#kept.delete(table);
      if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
      if (counted >= LARGE_ROWS) this.#kept.set(table, { count: counted, atMs: this.#clock.monotonicMs() });
      return counted;
    } finally {
      this.#counting.delete(table);
    }
  }
}
