import type { Tracing } from '@featuremesh/runtime/tracing';
import type { StoredRow, TableRef } from '../ports/online-store.ts';

/** Which requests' traces the rows of a message belong to; small writes of several requests share one. Only where tracing is on. */
export class CommitTraces {
  readonly #tracing: Tracing;
  /** First row of a request's chunk → its trace, where sampled. */
  readonly #traces = new WeakMap<StoredRow, string>();

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  /** Notes that the current request brings these rows. */
  note([first]: readonly StoredRow[]): void {
    const trace = this.#tracing.sampledTrace();
    if (trace !== undefined && first !== undefined) this.#traces.set(first, trace);
  }

  /** Runs the commit of a message in a span that continues the first request's trace and is linked to the others. */
  async commit<T>(rows: readonly StoredRow[], table: TableRef, work: () => Promise<T>): Promise<T> {
    const traces = rows.flatMap(row => this.#traces.get(row) ?? []);
    const span = this.#tracing.follow('log.commit', traces, {
      'featuremesh.group': table.groupId,
      'featuremesh.version': table.version,
      'featuremesh.rows': rows.length,
      'featuremesh.requests': traces.length,
    });
    try {
      // Without a span too: what runs now may be another request's turn.
      return await this.#tracing.run(span, work);
    } finally {
      span?.end();
    }
  }
}
