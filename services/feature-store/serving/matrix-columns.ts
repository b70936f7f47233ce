import { rowEventTimeMs, rowEventTimeText, rowIsDeleted, rowOrigin } from '@featuremesh/domain/packed-row';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { RowDecoder } from '@featuremesh/domain/row-decoder';
import { TimestampFormatter } from '@featuremesh/domain/timestamp-formatter';
import type { ValueStatus } from '@featuremesh/domain/value-status';

/** What turns packed rows into columns. */
export interface ColumnOptions {
  readonly width: number;
  readonly decoder: RowDecoder;
  readonly maxAgeMs: number | undefined;
  readonly includeStale: boolean;
  /** Rows with an event time before it (ms) have expired by retention: as if they were not there. */
  readonly cutOffMs: number;
  /** Only rows of this origin may be served (`rows: origin`); undefined where any may. */
  readonly onlyOrigin: RegionId | undefined;
}

/** Columns, one status word or list per column, one event time per row. */
export interface Columns {
  readonly columns: readonly (readonly unknown[])[];
  readonly statuses: readonly (ValueStatus | readonly ValueStatus[])[];
  readonly eventTimes: readonly (string | null)[];
}

/**
 * Decodes rows into columns with honest statuses: a deletion is NOT_FOUND, too old is withheld unless stale is asked for. Columns grow
 * by one value a row and are never made ahead: arrays with holes, and numbers among nulls, are written as JSON much slower.
 */
export class MatrixColumns {
  readonly #options: ColumnOptions;
  readonly #expires: boolean;
  readonly #columns: unknown[][] = [];
  readonly #eventTimes: (string | null)[] = [];
  readonly #statuses: ValueStatus[] = [];
  readonly #times = new TimestampFormatter();
  #eldestMs = Number.POSITIVE_INFINITY;
  /** Event times of the rows, kept only where they have to be judged one by one. */
  readonly #eventMs: number[] = [];
  #allPresent = true;

  constructor(options: ColumnOptions) {
    this.#options = options;
    this.#expires = options.cutOffMs > Number.NEGATIVE_INFINITY;
    for (let i = 0; i < options.width; i += 1) this.#columns.push([]);
  }

  /** The next row, in the order of the keys; undefined where the store has none. Nothing of its bytes is kept. */
  add(row: Uint8Array | undefined): void {
    const status = this.#presence(row);
    const at = this.#statuses.length;
    this.#statuses.push(status);
    if (row === undefined || status !== 'PRESENT') {
      this.#allPresent = false;
      this.#eventTimes.push(null);
      this.#eventMs.push(Number.POSITIVE_INFINITY);
      for (const column of this.#columns) column.push(null);
      return;
    }
    const eventMs = rowEventTimeMs(row);
    if (eventMs < this.#eldestMs) this.#eldestMs = eventMs;
    this.#eventMs.push(eventMs);
    this.#eventTimes.push(rowEventTimeText(row, this.#times));
    this.#options.decoder.decodeInto(row, this.#columns, at);
  }

  /** All of it, judged by the clock after the store answered: a slow read must not make old values look young (V1). */
  finish(nowMs: number): Columns {
    const { maxAgeMs } = this.#options;
    if (maxAgeMs !== undefined && nowMs - this.#eldestMs > maxAgeMs) this.#withhold(nowMs - maxAgeMs);
    const statusOf = this.#allPresent ? statusOfValues : columnStatus;
    return {
      columns: this.#columns,
      statuses: this.#columns.map(column => statusOf(column, this.#statuses)),
      eventTimes: this.#eventTimes,
    };
  }

  /** Takes back the values of rows from before `sinceMs`. */
  #withhold(sinceMs: number): void {
    this.#allPresent = false;
    for (const [at, eventMs] of this.#eventMs.entries()) {
      if (eventMs >= sinceMs) continue;
      this.#statuses[at] = 'OUTSIDE_MAX_AGE';
      if (!this.#options.includeStale) for (const column of this.#columns) column[at] = null;
    }
  }

  #presence(row: Uint8Array | undefined): ValueStatus {
    if (row === undefined) return 'NOT_FOUND';
    const { onlyOrigin } = this.#options;
    // Before the deletion is looked at: whether a row of another region was deleted is not ours to tell either.
    if (onlyOrigin !== undefined && rowOrigin(row) !== onlyOrigin) return 'REFUSED';
    if (rowIsDeleted(row)) return 'NOT_FOUND';
    // Whether a sweep has removed it yet must make no difference; a group without retention costs no look at the time.
    return this.#expires && rowEventTimeMs(row) < this.#options.cutOffMs ? 'NOT_FOUND' : 'PRESENT';
  }
}

/** As `columnStatus` where every row is PRESENT. */
function statusOfValues(
  column: readonly unknown[],
  rowStatuses: readonly ValueStatus[],
): ValueStatus | readonly ValueStatus[] {
  if (column.length > 0 && !column.includes(null)) return 'PRESENT';
  return columnStatus(column, rowStatuses);
}

function columnStatus(
  column: readonly unknown[],
  rowStatuses: readonly ValueStatus[],
): ValueStatus | readonly ValueStatus[] {
  const statuses: ValueStatus[] = [];
  let uniform = true;
  for (let at = 0; at < rowStatuses.length; at += 1) {
    const status = rowStatuses[at] ?? 'NOT_FOUND';
    const own = status === 'PRESENT' && column[at] === null ? 'NULL_VALUE' : status;
    statuses.push(own);
    if (own !== statuses[0]) uniform = false;
  }
  return uniform ? (statuses[0] ?? statuses) : statuses;
}
