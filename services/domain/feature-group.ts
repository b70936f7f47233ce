import type { FeatureType, JoinKeyType } from './feature-type.ts';
import type { RegionId } from './region-id.ts';

/** A group's opaque identity: 16 random lower-case base32 characters drawn by its home region, never reused (A3, A9). */
export type GroupId = string & { readonly __brand: 'GroupId' };

/** One column that identifies a row. `role: 'region'` means that its value names the region that holds the row. */
export interface JoinKey {
  readonly name: string;
  readonly type: JoinKeyType;
  readonly role?: 'region';
}

/** What rows are about. `subject` marks a person: stricter defaults, audit and erasure apply. */
export interface EntityDefinition {
  readonly name: string;
  readonly joinKeys: readonly JoinKey[];
  readonly subject: boolean;
  readonly description?: string;
}

/** One typed column of a group. */
export interface FeatureDefinition {
  readonly name: string;
  readonly type: FeatureType;
  readonly nullable: boolean;
  readonly description?: string;
  /** What the column is computed from: `source:column` or `[home/]group:feature`; empty where nothing was declared. */
  readonly from?: readonly string[];
}

/** A system outside the mesh that a group's rows come from. */
export interface SourceDefinition {
  readonly name: string;
  readonly description?: string;
}

/** That a definition should no longer be used; it is served on until it is retired. */
export interface Deprecation {
  /** Day from which it counts, `YYYY-MM-DD`. */
  readonly since: string;
  /** Reference of what to use instead. */
  readonly successor?: string;
  readonly reason?: string;
}

/** Who answers for a definition and what is to be known of it. They are of the group or service as a whole, not of one version. */
export interface Governance {
  readonly description?: string;
  readonly owner?: string;
  readonly team?: string;
  readonly tags: readonly string[];
  readonly deprecated?: Deprecation;
}

/** How a group's rows are meant to travel; `local` keeps them in the region that accepted them. */
export const SYNC_MODES = ['local', 'active-active', 'hub-and-spoke', 'batch-copy'] as const;

/** A sync mode's name as written in a definition. */
export type SyncMode = (typeof SYNC_MODES)[number];

/** A feature group as its owner declares it, parsed and with defaults written out. */
export interface FeatureGroupDefinition extends Governance {
  readonly name: string;
  readonly homeRegion: RegionId;
  /** Names of entities, in the declared order. */
  readonly entities: readonly string[];
  /** Systems outside the mesh that rows come from. */
  readonly sources?: readonly SourceDefinition[];
  /** `external`, or references of the groups that this one is computed from; placement follows them (A6). */
  readonly inputs: 'external' | readonly string[];
  readonly maxAgeMs?: number;
  readonly retentionMs?: number;
  /** Regions are sorted and hold the home region's id where nothing was declared. */
  readonly sync: { readonly mode: SyncMode; readonly regions: readonly RegionId[] };
  readonly features: readonly FeatureDefinition[];
  readonly state: 'active' | 'retired';
}

/** One feature that a service serves. */
export interface ServiceSelection {
  /** Group reference `[home/]group[@vN]`. */
  readonly group: string;
  /** The role, where one group is used more than once. */
  readonly as?: string;
  /** Feature names; empty means all. */
  readonly features: readonly string[];
  /** Join key → request key, for instance `{airport: 'origin'}`. */
  readonly keys?: Readonly<Record<string, string>>;
}

/** A named bundle of features for one model. */
export interface FeatureServiceDefinition extends Governance {
  readonly name: string;
  readonly homeRegion: RegionId;
  readonly features: readonly ServiceSelection[];
}

/** An immutable step of a group in the registry and the catalogue: what writers pack by and readers decode by. */
export interface CatalogueGroup {
  readonly id: GroupId;
  readonly version: number;
  readonly revision: number;
  /** SHA-256 (hex, first 16 bytes) over the canonical schema: join keys and features with their types. */
  readonly schemaHash: string;
  readonly definition: FeatureGroupDefinition;
  /** All join keys of the group's entities, sorted by name. */
  readonly joinKeys: readonly JoinKey[];
  /** True where one of the entities is a person. */
  readonly subject: boolean;
  /** The schemas of earlier revisions of this version, oldest first: revision r is at index r − 1. Rows carry theirs. */
  readonly revisions: readonly (readonly FeatureDefinition[])[];
  /** Rows with an event time before it (ms since the Unix epoch) expired under an earlier, shorter retention and stay expired. */
  readonly retentionFloorMs?: number;
  /** Retired for good: no region may hold rows of this version any more, and it is never opened again. */
  readonly purged?: true;
  /** Aliases that point at this version (`production`, `latest`). */
  readonly aliases: readonly string[];
}

/** A service with the group versions that it resolved frozen into it. */
export interface CatalogueService {
  readonly id: string;
  readonly version: number;
  readonly definition: FeatureServiceDefinition;
  readonly resolved: readonly ResolvedSelection[];
}

/** A service's selection after resolution. */
export interface ResolvedSelection {
  readonly groupId: GroupId;
  readonly groupVersion: number;
  readonly as?: string;
  readonly features: readonly string[];
  readonly keys: Readonly<Record<string, string>>;
}
