import { REPLAY_ROWS_IN_FLIGHT, REPLAY_STEPS_IN_FLIGHT } from './ingest-limits.ts';

/** Steps that were issued and are not awaited yet, bounded by their number and their rows. */
export class StepWindow {
  readonly #issued: { readonly ended: Promise<void>; readonly rows: number }[] = [];
  #rows = 0;

  /** Takes a step in, and resolves when one more may be issued: the oldest are awaited first. `ended` must not reject. */
  async add(ended: Promise<void>, rows: number): Promise<void> {
    this.#issued.push({ ended, rows });
    this.#rows += rows;
    while (this.#issued.length >= REPLAY_STEPS_IN_FLIGHT || this.#rows > REPLAY_ROWS_IN_FLIGHT) {
      const oldest = this.#issued.shift();
      if (oldest === undefined) return;
      await oldest.ended;
      this.#rows -= oldest.rows;
    }
  }

  /** Resolves when all that was issued has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#issued.map(({ ended }) => ended));
  }
}
