import type { CatalogueGroup, CatalogueService, EntityDefinition, GroupId } from './feature-group.ts';
import type { PolicyRecord } from './policy.ts';
import type { RegionId } from './region-id.ts';

/** What every region knows of a region. */
export interface RegionInfo {
  readonly id: RegionId;
  readonly jurisdiction: string;
  readonly cloud: string;
  readonly publicUrl: string;
  readonly publicGatewayUrl: string;
  /** Base64 of the raw 32-byte Ed25519 public key that signs what the region says and asks. */
  readonly publicKey: string;
}

/** An entity with the home region whose registry holds it. */
export interface CatalogueEntity {
  readonly homeRegion: RegionId;
  readonly definition: EntityDefinition;
}

/** All that a region outside the placement may know of a group version whose policy says `opaque`. */
export interface OpaqueGroup {
  readonly id: GroupId;
  readonly version: number;
  readonly homeRegion: RegionId;
}

/**
 * All that decisions rest on, as one region knows it: the mesh's regions, the catalogue, the policies in force.
 * Immutable; `revision` rises with every change in this region (it is not comparable between regions).
 */
export interface MeshState {
  readonly revision: number;
  readonly region: RegionId;
  /** Self and peers, sorted by id. */
  readonly regions: readonly RegionInfo[];
  /** Every version of every group known here. */
  readonly groups: readonly CatalogueGroup[];
  /** Group versions of other homes that are known here by their id alone: rows of them are refused. */
  readonly opaqueGroups: readonly OpaqueGroup[];
  readonly services: readonly CatalogueService[];
  readonly entities: readonly CatalogueEntity[];
  /** Verified policies with epoch > 0, newest version of each name only. */
  readonly policies: readonly PolicyRecord[];
  /** Highest policy epoch known, per home region. */
  readonly policyEpochs: Readonly<Record<string, number>>;
  /** When policy of a home region was last confirmed (ms since the Unix epoch, this region's clock), per home region. */
  readonly policyConfirmedAtMs: Readonly<Record<string, number>>;
}
