import { Catalogue } from '@featuremesh/domain/catalogue-lookup';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { Placements } from '@featuremesh/domain/placement';
import { ReadSelections } from '@featuremesh/domain/read-selection';

/** One mesh state with the look-ups that belong to it; immutable, so a request that took one decides everything by the same knowledge. */
export interface MeshView {
  readonly state: MeshState;
  readonly catalogue: Catalogue;
  readonly placements: Placements;
  readonly selections: ReadSelections;
}

/** Builds the view of a state; once per state, because placements and names are indexed here. */
export function meshViewOf(state: MeshState): MeshView {
  const catalogue = new Catalogue(state);
  return {
    state,
    catalogue,
    placements: new Placements(state, catalogue),
    selections: new ReadSelections(catalogue, state.region),
  };
}
