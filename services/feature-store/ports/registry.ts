import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';

/** Placement generation of a table in this region (A3): raised when the region comes back into a placement. */
export interface TablePlacement {
  readonly groupId: string;
  readonly version: number;
  readonly generation: number;
  readonly held: boolean;
}

/**
 * A region's store of definitions, policies and the replica of other regions' catalogues.
 * `commit` is atomic and guarded: it fails with CONCURRENT_CHANGE where the revision is no longer `expectedRevision`.
 */
export interface Registry {
  /** The current state; the same object until it changes. Also sees commits of other processes within `watch`'s latency. */
  state(): MeshState;
  /** All entries known, own and imported, including policies that are only proposed (epoch 0). */
  entries(): Promise<readonly CatalogueEntry[]>;
  /** Writes entries (own home: sequence is assigned here; imported: kept, and ignored where not newer). Returns the new state. */
  commit(change: { entries: readonly CatalogueEntry[]; expectedRevision?: number; actor: string; what: string }): Promise<MeshState>;
  tablePlacements(): Promise<readonly TablePlacement[]>;
  saveTablePlacements(placements: readonly TablePlacement[]): Promise<void>;
  /** Notes that a peer confirmed its policy epoch now (A6, maxPolicyAge). */
  confirmPolicy(home: string, epoch: number, atMs: number): Promise<void>;
  /** Calls back after every change, also one made by another process. */
  onChange(listener: (state: MeshState) => void): () => void;
  close(): Promise<void>;
}
