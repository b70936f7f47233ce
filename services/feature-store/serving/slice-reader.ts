import { rowEventTimeMs, rowIsDeleted } from '@featuremesh/domain/packed-row';
import { type Problem, ProblemError, problem } from '@featuremesh/domain/problem';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { formatTimestamp } from '@featuremesh/domain/timestamp';
import type { Clock } from '@featuremesh/runtime/clock';
import type { OnlineStore, TableRef } from '../ports/online-store.ts';
import type { Readable, ReadCaller, TicketReader } from './ticket-reader.ts';

/** Rows looked through for the newest event; a larger slice answers without freshness rather than slow everyone down. */
const MAX_SCANNED_ROWS = 20_000;
const PAGE_ROWS = 1_000;

/** How long a computed freshness is answered again. */
const FRESHNESS_KEPT_MS = 5_000;

/** Slices whose freshness is remembered. */
const MAX_KEPT = 512;

/** Live facts of one slice. */
export interface SliceFacts {
  readonly freshness: { readonly newestEventTime: string; readonly ageMs: number } | null;
  readonly rows: number;
  readonly lagMs: number | null;
}

/** What a slice reader works with. */
export interface SliceReaderOptions {
  readonly tickets: Pick<TicketReader, 'judge' | 'lagMsOf' | 'production'>;
  readonly store: Pick<OnlineStore, 'countRows' | 'scan'>;
  readonly tableFor: (groupId: string, version: number) => TableRef | undefined;
  readonly clock: Clock;
}

/** Answers `FeatureSlice` references: how many rows this region holds of a group, how fresh and how far behind they are. */
export class SliceReader {
  readonly #options: SliceReaderOptions;
  readonly #newest = new Map<string, { readonly atMs: number; readonly newestMs: number | null }>();

  constructor(options: SliceReaderOptions) {
    this.#options = options;
  }

  /** Facts of `id` or `id@vN`; refused by the same policy as the rows are. */
  async read(group: string, caller: ReadCaller): Promise<Result<SliceFacts>> {
    const { tickets, tableFor, store } = this.#options;
    const readable = tickets.production(group);
    if (readable === undefined) return fail(problem('UNKNOWN_GROUP', 'this region does not know the group'));
    const refused: Problem | undefined = tickets.judge(readable, { keys: {} }, caller);
    if (refused !== undefined) return fail(refused);
    const table = tableFor(readable.group.id, readable.group.version);
    if (table === undefined)
      return fail(problem('STORE_UNAVAILABLE', 'the table of the group is not ready here'));
    try {
      const rows = await store.countRows(table);
      return ok({ rows, freshness: await this.#freshness(table, rows), lagMs: this.#lagMs(readable) });
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      return fail(error.problem);
    }
  }

  #lagMs(readable: Readable): number | null {
    return this.#options.tickets.lagMsOf(readable);
  }

  async #freshness(table: TableRef, rows: number): Promise<SliceFacts['freshness']> {
    if (rows === 0 || rows > MAX_SCANNED_ROWS) return null;
    const key = `${table.groupId}/${table.version}/${table.generation}`;
    const nowMs = this.#options.clock.nowMs();
    let known = this.#newest.get(key);
    if (known === undefined || nowMs - known.atMs > FRESHNESS_KEPT_MS) {
      known = { atMs: nowMs, newestMs: await this.#newestEventMs(table) };
      this.#newest.delete(key);
      this.#newest.set(key, known);
      const oldest = this.#newest.keys().next();
      if (this.#newest.size > MAX_KEPT && oldest.done !== true) this.#newest.delete(oldest.value);
    }
    if (known.newestMs === null) return null;
    return {
      newestEventTime: formatTimestamp(BigInt(Math.round(known.newestMs * 1_000))),
      ageMs: Math.max(0, nowMs - known.newestMs),
    };
  }

  async #newestEventMs(table: TableRef): Promise<number | null> {
    let newest: number | null = null;
    let after: Uint8Array | undefined;
    for (let seen = 0; seen < MAX_SCANNED_ROWS; seen += PAGE_ROWS) {
      const page = await this.#options.store.scan(table, {
        limit: PAGE_ROWS,
        ...(after === undefined ? {} : { after }),
      });
      for (const { row } of page)
        if (!rowIsDeleted(row)) newest = Math.max(newest ?? Number.NEGATIVE_INFINITY, rowEventTimeMs(row));
      after = page.at(-1)?.key;
      if (page.length < PAGE_ROWS) break;
    }
    return newest;
  }
}
