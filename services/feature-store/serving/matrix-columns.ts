import { rowEventTimeMs, rowEventTimeUs, rowIsDeleted, rowOrigin } from '@featuremesh/domain/packed-row';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { RowDecoder } from '@featuremesh/domain/row-decoder';
import { formatTimestamp } from '@featuremesh/domain/timestamp';
import type { ValueStatus } from '@featuremesh/domain/value-status';

/** What turns packed rows into columns. */
export interface ColumnInput {
  /** One per asked key, in order; undefined where the store has none. */
  readonly rows: readonly (Uint8Array | undefined)[];
  readonly width: number;
  readonly decoder: RowDecoder;
  /** The reading clock, after the store answered: a slow read must not make old values look young (V1). */
  readonly nowMs: number;
  readonly maxAgeMs: number | undefined;
  readonly includeStale: boolean;
  /** Only rows of this origin may be served (`rows: origin`); undefined where any may. */
  readonly onlyOrigin: RegionId | undefined;
}

/** Columns, one status word or list per column, one event time per row. */
export interface Columns {
  readonly columns: readonly (readonly unknown[])[];
  readonly statuses: readonly (ValueStatus | readonly ValueStatus[])[];
  readonly eventTimes: readonly (string | null)[];
}

/** Decodes rows into columns with honest statuses: a deletion is NOT_FOUND, too old is withheld unless stale is asked for. */
export function fillColumns(input: ColumnInput): Columns {
  const { rows, width, decoder } = input;
  const columns: unknown[][] = Array.from({ length: width }, () =>
    new Array<unknown>(rows.length).fill(null),
  );
  const eventTimes = new Array<string | null>(rows.length).fill(null);
  const rowStatuses: ValueStatus[] = [];
  for (let at = 0; at < rows.length; at += 1) {
    const row = rows[at];
    const status = rowStatus(row, input);
    rowStatuses.push(status);
    if (row === undefined || status === 'NOT_FOUND' || status === 'REFUSED') continue;
    eventTimes[at] = formatTimestamp(rowEventTimeUs(row));
    if (status === 'PRESENT' || input.includeStale) decoder.decodeInto(row, columns, at);
  }
  return { columns, statuses: columns.map(column => columnStatus(column, rowStatuses)), eventTimes };
}

function rowStatus(row: Uint8Array | undefined, input: ColumnInput): ValueStatus {
  if (row === undefined) return 'NOT_FOUND';
  // Before the deletion is looked at: whether a row of another region was deleted is not ours to tell either.
  if (input.onlyOrigin !== undefined && rowOrigin(row) !== input.onlyOrigin) return 'REFUSED';
  if (rowIsDeleted(row)) return 'NOT_FOUND';
  if (input.maxAgeMs !== undefined && input.nowMs - rowEventTimeMs(row) > input.maxAgeMs)
    return 'OUTSIDE_MAX_AGE';
  return 'PRESENT';
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
