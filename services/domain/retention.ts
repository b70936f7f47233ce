import type { CatalogueGroup } from './feature-group.ts';
import { MAX_PEER_ABSENCE_MS, PURGE_GRACE_MS } from './limits.ts';
import { rowEventTimeMs, rowIsDeleted } from './packed-row.ts';

/** How long after they expired rows are still kept on disk; a deletion longer, so that it outlives every copy of what it deleted. */
export interface PurgePatience {
  readonly valuesMs: number;
  readonly deletionsMs: number;
}

/** The patience of a running region. */
export const PURGE_PATIENCE: PurgePatience = { valuesMs: PURGE_GRACE_MS, deletionsMs: MAX_PEER_ABSENCE_MS };

/** What of a group retention is judged by. */
export type RetainedGroup = Pick<CatalogueGroup, 'retentionFloorMs'> & {
  readonly definition: Pick<CatalogueGroup['definition'], 'retentionMs'>;
};

/**
 * The cut-off in ms since the Unix epoch: rows with an event time before it have expired, in every region alike (A3). Minus infinity
 * where a group keeps all. It never goes back: where retention was made longer, what had expired by then stays expired.
 */
export function cutOffMs({ definition, retentionFloorMs }: RetainedGroup, nowMs: number): number {
  const floorMs = retentionFloorMs ?? Number.NEGATIVE_INFINITY;
  return definition.retentionMs === undefined ? floorMs : Math.max(floorMs, nowMs - definition.retentionMs);
}

/** The floor of a group's next revision: where retention grows or ends, the cut-off of this moment; undefined where nothing had to expire. */
export function nextRetentionFloorMs(
  before: RetainedGroup,
  retentionMs: number | undefined,
  nowMs: number,
): number | undefined {
  const { retentionMs: earlierMs } = before.definition;
  const grows = earlierMs !== undefined && (retentionMs === undefined || retentionMs > earlierMs);
  return grows ? Math.floor(cutOffMs(before, nowMs)) : before.retentionFloorMs;
}

/** The rows that have not expired; the same array where that is all of them. */
export function retainedRows<Row extends { readonly row: Uint8Array }>(
  rows: readonly Row[],
  cutOff: number,
): readonly Row[] {
  if (cutOff === Number.NEGATIVE_INFINITY) return rows;
  const isRetained = ({ row }: Row): boolean => rowEventTimeMs(row) >= cutOff;
  return rows.every(isRetained) ? rows : rows.filter(isRetained);
}

/**
 * Whether a stored row may be removed for good: expired for longer than every clock and every region that knows an older definition
 * could differ, so that nothing older than it is taken any more and it cannot be missed (S8).
 */
export function mayPurge(row: Uint8Array, cutOff: number, patience: PurgePatience): boolean {
  const patienceMs = rowIsDeleted(row) ? patience.deletionsMs : patience.valuesMs;
  return rowEventTimeMs(row) < cutOff - patienceMs;
}
