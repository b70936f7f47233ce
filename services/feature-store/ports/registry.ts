import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';

/** Placement generation of a table in this region (A3): raised when the region comes back into a placement. */
export interface TablePlacement {
  readonly groupId: string;
  readonly version: number;
  readonly generation: number;
  readonly held: boolean;
  /** When the store had no table of it any more; only where it is not held, and not before the drop was done. */
  readonly droppedAtMs?: number;
}

/** What the sync agent last reported to any process of the region, and what came of it; shared by all, not part of the state. */
export interface SyncReports {
  /** The registry revision that the broker now enforces, and the hash of the compiled configuration. */
  readonly enforced?: { readonly revision: number; readonly hash: string; readonly atMs: number };
  /** Link states, as the agent sent them. */
  readonly links?: { readonly links: readonly unknown[]; readonly atMs: number };
  /** Policies of peers that lack approvals for now, to be judged again when more is known. */
  readonly held?: readonly { readonly peer: string; readonly entry: CatalogueEntry }[];
}

/** One line of the record of who changed what; each holds the hash of the one before (R9). */
export interface AuditRecord {
  readonly revision: number;
  readonly atMs: number;
  readonly actor: string;
  readonly what: string;
  /** Names of the entries written, with their kind. */
  readonly entries: readonly string[];
  /** SHA-256 hex of the record before; empty for the first. */
  readonly previousHash: string;
}

/**
 * A region's store of definitions, policies and the replica of other regions' catalogues.
 * `commit` is atomic and guarded: it fails with CONCURRENT_CHANGE where the revision is no longer `expectedRevision`.
 */
export interface Registry {
  /** The current state; the same object until it changes. Also sees commits of other processes, within about 200 ms. */
  state(): MeshState;
  /** All entries known, own and imported, including policies that are only proposed (epoch 0). */
  entries(): Promise<readonly CatalogueEntry[]>;
  /** Writes entries (own home: sequence is assigned here; imported: kept, and ignored where not newer). Returns the new state. */
  commit(change: {
    entries: readonly CatalogueEntry[];
    expectedRevision?: number;
    actor: string;
    what: string;
  }): Promise<MeshState>;
  tablePlacements(): Promise<readonly TablePlacement[]>;
  /** Writes placements; fails with CONCURRENT_CHANGE where the revision they were judged at is no longer current. */
  saveTablePlacements(placements: readonly TablePlacement[], expectedRevision?: number): Promise<void>;
  /** Notes that a peer confirmed its policy epoch now (A6, maxPolicyAge). */
  confirmPolicy(home: string, epoch: number, atMs: number): Promise<void>;
  /** Calls back after every change, also one made by another process. */
  onChange(listener: (state: MeshState) => void): () => void;
  /** Keeps the given members beside the state, on disk like a commit; the revision does not change. */
  saveReport(report: SyncReports): Promise<void>;
  /** The last report of each kind, whichever process received it. */
  reports(): SyncReports;
  /** The newest audit records, oldest first, at most `limit`. */
  audit(limit: number): Promise<readonly AuditRecord[]>;
  close(): Promise<void>;
}
