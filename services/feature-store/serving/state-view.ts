import { Catalogue } from '@featuremesh/domain/catalogue-lookup';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { Placements } from '@featuremesh/domain/placement';
import { ReadSelections } from '@featuremesh/domain/read-selection';

/** One mesh state with its indexes. */
export interface StateView {
  readonly state: MeshState;
  readonly catalogue: Catalogue;
  readonly placements: Placements;
  readonly selections: ReadSelections;
}

/** The view of the current state: indexes are built once per state, so that a read costs look-ups only. */
export class CurrentView {
  readonly #current: () => MeshState;
  #view: StateView | undefined;

  constructor(current: () => MeshState) {
    this.#current = current;
  }

  /** The view of the state as it is now. */
  now(): StateView {
    const state = this.#current();
    if (this.#view?.state !== state) {
      const catalogue = new Catalogue(state);
      this.#view = {
        state,
        catalogue,
        placements: new Placements(state, catalogue),
        selections: new ReadSelections(catalogue, state.region),
      };
    }
    return this.#view;
  }
}
