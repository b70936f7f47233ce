import type { MeshState } from '@featuremesh/domain/mesh-state';
import { mayHold, placementOf } from '@featuremesh/domain/placement';
import { ProblemError, problem } from '@featuremesh/domain/problem';

/** Number of tables that a region holds by a state: one for each group version that is placed in it. */
function tablesOf(state: MeshState, nowMs: number): number {
  const { region } = state;
  return state.groups.filter(group => mayHold(placementOf(group, state, nowMs), region, region)).length;
}

/**
 * Throws TABLE_LIMIT where a change asks for more tables in this region than its store may hold, before anything of it is written. A change
 * that asks for none is let through, so that a region that holds too many already can still be mended.
 */
export function assertRoomForTables(
  before: MeshState,
  after: MeshState,
  { maxTables, nowMs }: { readonly maxTables: number; readonly nowMs: number },
): void {
  const wanted = tablesOf(after, nowMs);
  if (wanted <= maxTables || wanted <= tablesOf(before, nowMs)) return;
  const detail = `${after.region} would hold ${wanted} tables, one for each group version placed in it, and its store takes at most ${maxTables}; each costs memory on every node (store.maxTables in region.yaml)`;
  throw new ProblemError(problem('TABLE_LIMIT', detail));
}
