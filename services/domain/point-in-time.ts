import { compareRows } from './row-order.ts';

/** One row of a group's history. */
export interface HistoryRow<V> {
  readonly key: string;
  readonly eventTimeUs: bigint;
  /** Null where the source does not know it: then a cut-off by created time leaves the row out. */
  readonly createdTimeUs: bigint | null;
  /** Null for a logical deletion: the newest known fact is that there is none. */
  readonly value: V | null;
  /** Packed bytes, the last tie-break, so that every region answers the same row. */
  readonly packed?: Uint8Array;
}

/** One label row: whose features, as known when. */
export interface LabelRow {
  readonly key: string;
  readonly timeUs: bigint;
}

/** How the join bounds what it sees; the defaults are Feast's. */
export interface PointInTimeOptions {
  /** Oldest event time, `time − maxAge`, inclusive; null or 0: no bound. Default null. */
  readonly maxAgeUs?: bigint | null;
  /** Event times before the label's only, not at it. Default false. */
  readonly strict?: boolean;
  /** Leaves out rows created after the label's time, or at an unknown time. Default false. */
  readonly createdCutoff?: boolean;
}

/**
 * Point-in-time join, naively: for each label, in order, the newest row of its key with `time − maxAge ≤ event time ≤ time`; of
 * equal event times the later created one; else null. Quadratic: the oracle for faster joins.
 */
export function pointInTimeJoin<V>(
  labels: readonly LabelRow[],
  history: readonly HistoryRow<V>[],
  options: PointInTimeOptions = {},
): (V | null)[] {
  return labels.map(label => {
    let best: HistoryRow<V> | undefined;
    for (const row of history) {
      if (row.key !== label.key || !visible(row, label.timeUs, options)) continue;
      if (best === undefined || compareHistory(row, best) > 0) best = row;
    }
    return best?.value ?? null;
  });
}

function visible(row: HistoryRow<unknown>, timeUs: bigint, options: PointInTimeOptions): boolean {
  if (options.strict === true ? row.eventTimeUs >= timeUs : row.eventTimeUs > timeUs) return false;
  const maxAgeUs = options.maxAgeUs ?? 0n;
  if (maxAgeUs > 0n && row.eventTimeUs < timeUs - maxAgeUs) return false;
  return options.createdCutoff !== true || (row.createdTimeUs !== null && row.createdTimeUs <= timeUs);
}

/** Event time, then created time (unknown is least), then the packed bytes. */
function compareHistory(a: HistoryRow<unknown>, b: HistoryRow<unknown>): number {
  if (a.eventTimeUs !== b.eventTimeUs) return a.eventTimeUs > b.eventTimeUs ? 1 : -1;
  if (a.createdTimeUs !== b.createdTimeUs) {
    if (a.createdTimeUs === null || b.createdTimeUs === null) return a.createdTimeUs === null ? -1 : 1;
    return a.createdTimeUs > b.createdTimeUs ? 1 : -1;
  }
  return compareRows(a.packed ?? new Uint8Array(), b.packed ?? new Uint8Array());
}
