import { Catalogue } from '@featuremesh/domain/catalogue-lookup';
import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { type GroupPlacement, mayHold, Placements } from '@featuremesh/domain/placement';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { Clock } from '@featuremesh/runtime/clock';
import type { TableRef } from '../ports/online-store.ts';
import type { Registry } from '../ports/registry.ts';

/** Says which table holds a group version here; the registry's table keeper does. */
export interface TableLookup {
  tableFor(groupId: string, version: number): TableRef | undefined;
}

/** What a region does with rows of a group version: keeps them, lets them pass, or does not know yet. */
export type Holding =
  | { readonly kind: 'held'; readonly table: TableRef; readonly group: CatalogueGroup }
  | { readonly kind: 'passed-over' }
  | { readonly kind: 'unknown' };

/** What a view needs. */
export interface HeldGroupsOptions {
  readonly registry: Pick<Registry, 'state'>;
  readonly tables: TableLookup;
  readonly region: RegionId;
  readonly clock: Clock;
}

interface Built {
  readonly state: MeshState;
  readonly catalogue: Catalogue;
  readonly placements: Placements;
}

/** Catalogue and placements of the newest mesh state, rebuilt only where the state changed. */
export class HeldGroups {
  readonly #options: HeldGroupsOptions;
  #built: Built | undefined;

  constructor(options: HeldGroupsOptions) {
    this.#options = options;
  }

  state(): MeshState {
    return this.#current().state;
  }

  catalogue(): Catalogue {
    return this.#current().catalogue;
  }

  placementOf(group: CatalogueGroup): GroupPlacement {
    return this.#current().placements.of(group, this.#options.clock.nowMs());
  }

  /** Whether rows of `origin` are applied here (receiver's check of R1, also for what policy has tightened since it was logged). */
  holding(groupId: string, version: number, origin: RegionId): Holding {
    const { catalogue, state } = this.#current();
    const group = catalogue.groupById(groupId, version);
    if (group === undefined) {
      // Of what may be known by its id alone nothing may be here: this region was shut out after the row was logged.
      const opaque = state.opaqueGroups.some(known => known.id === groupId && known.version === version);
      return { kind: opaque ? 'passed-over' : 'unknown' };
    }
    if (!mayHold(this.placementOf(group), this.#options.region, origin)) return { kind: 'passed-over' };
    const table = this.#options.tables.tableFor(groupId, version);
    return table === undefined ? { kind: 'unknown' } : { kind: 'held', table, group };
  }

  #current(): Built {
    const state = this.#options.registry.state();
    if (this.#built?.state !== state) {
      const catalogue = new Catalogue(state);
      this.#built = { state, catalogue, placements: new Placements(state, catalogue) };
    }
    return this.#built;
  }
}
