import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { Position } from '@featuremesh/domain/position';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { cutOffMs, retainedRows } from '@featuremesh/domain/retention';
import type { Clock } from '@featuremesh/runtime/clock';
import type { OnlineStore, StoredRow, TableRef } from '../ports/online-store.ts';

/** What a snapshot is read from. */
export interface SnapshotParts {
  readonly state: MeshState;
  readonly store: Pick<OnlineStore, 'scan' | 'appliedPositions'>;
  readonly tableFor: (groupId: string, version: number) => TableRef | undefined;
  readonly clock: Clock;
}

/** One page: `next` is what to ask for behind it, base64url, where it is not the last; the watermarks stand with the first only. */
export interface SnapshotRows {
  readonly rows: readonly StoredRow[];
  readonly next: string | undefined;
  readonly watermarks: readonly Position[];
}

/**
 * Winners of any origin in the store's order, without those that have expired by retention; a page may be empty and not the last. The
 * watermarks are read before the rows, so that rows are never older than they claim. Throws UNKNOWN_GROUP where none are held here.
 */
export async function snapshotRows(
  { state, store, tableFor, clock }: SnapshotParts,
  asked: { group: string; version: number; after?: string | undefined; limit: number },
): Promise<SnapshotRows> {
  const { group: groupId, version, after, limit } = asked;
  const table = tableFor(groupId, version);
  const group = state.groups.find(known => known.id === groupId && known.version === version);
  if (table === undefined || group === undefined)
    throw new ProblemError(problem('UNKNOWN_GROUP', 'this region holds no rows of the group version'));
  const watermarks = after === undefined ? await store.appliedPositions(groupId) : [];
  const rows = await store.scan(table, {
    limit,
    ...(after === undefined ? {} : { after: Buffer.from(after, 'base64url') }),
  });
  const last = rows.length === limit ? rows.at(-1) : undefined;
  return {
    rows: retainedRows(rows, cutOffMs(group, clock.nowMs())),
    next: last === undefined ? undefined : Buffer.from(last.key).toString('base64url'),
    watermarks,
  };
}
