import type { LinkStatus } from '@featuremesh/contracts/link-status';
import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { Position } from '@featuremesh/domain/position';

/** The contracts that a region's own service offers to its sync agent: the only way sync learns of definitions and stored rows. */
export interface RegionService {
  /** The state as soon as its revision exceeds `after`, or the present one after `waitMs`. */
  meshState(after: number, waitMs: number): Promise<MeshState>;
  /** What `peer` may know of this region's own entries: its view first, then those with sequence above `after`, ascending. */
  ownEntries(peer: string, after: number): Promise<readonly CatalogueEntry[]>;
  /** Hands over what a peer told; the service verifies signatures itself. */
  importEntries(peer: string, entries: readonly CatalogueEntry[]): Promise<void>;
  /** A home region says that this policy epoch of its own is still the newest. */
  confirmPolicy(confirmation: { home: string; epoch: number; atMs: number }): Promise<void>;
  /** Says that the broker now enforces the state of this revision, with the hash of what is running (R8). */
  enforced(report: { revision: number; hash: string }): Promise<void>;
  reportLinks(links: readonly LinkStatus[]): Promise<void>;
  /** Groups whose rows the online store has lost and the log has forgotten, as far as a snapshot of this peer is still missing. */
  owedRefills(peer: string): Promise<readonly GroupVersion[]>;
  /** The peer's snapshot of a group is in the log up to this sequence; true where the store has applied it, else tell it again. */
  refilled(report: GroupVersion & { peer: string; throughSequence: number }): Promise<boolean>;
  /** Winners of any origin, each once, as a feed chunk, with the watermark vector as of the scan's first page (A5). */
  snapshotPage(request: {
    groupId: string;
    version: number;
    after?: string;
    limit: number;
  }): Promise<SnapshotPage>;
}

/** One version of a group. */
export interface GroupVersion {
  readonly groupId: string;
  readonly version: number;
}

/** One page of a snapshot. */
export interface SnapshotPage {
  readonly body: Uint8Array;
  /** Opaque text to go on after; absent at the end. */
  readonly next?: string;
  readonly watermarks: readonly Position[];
}
