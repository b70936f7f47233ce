import type { CatalogueGroup, CatalogueService } from './feature-group.ts';
import type { CatalogueEntity, OpaqueGroup, RegionInfo } from './mesh-state.ts';
import type { PolicyRecord } from './policy.ts';
import type { RegistryModeRecord, Ruling } from './registry-mode.ts';

/** What every entry carries: who tells it, and two numbers that its home region's registry gives. */
interface EntryHead {
  readonly home: string;
  /** Number of the newest form: an entry is replaced only by one with a higher number. */
  readonly sequence: number;
  /** Number of the thing itself, the same for all its forms: the sequence of the first. Where it is left out, `sequence` counts. */
  readonly serial?: number;
}

/** A definition may be told by another region than its home, which a decision of the mesh gave the say. */
interface RuledHead extends EntryHead {
  readonly ruling?: Ruling;
}

/**
 * What of a home region's entries one receiver may know (C1–C4). Views are ordered by the home's registry revision, which stands in the
 * entry's `sequence`, then by `datesPassed`; a receiver keeps nothing of that home that its newest view does not list.
 */
export interface CatalogueView {
  /** Effective dates of policies that had passed: what may be known also changes by time alone. */
  readonly datesPassed: number;
  /** Highest serial that was judged. */
  readonly through: number;
  /** Highest policy epoch among what is told: the one that the home confirms to this receiver. */
  readonly policyEpoch: number;
  /** Serials, ascending ranges with both ends included. */
  readonly full: readonly (readonly [number, number])[];
  /** Serials of groups of which only id, home and version may be known. */
  readonly opaque: readonly (readonly [number, number])[];
}

/** What one region tells another about one thing; idempotent, ordered per home by `sequence`. */
export type CatalogueEntry =
  | (EntryHead & { readonly kind: 'region'; readonly region: RegionInfo })
  | (RuledHead & { readonly kind: 'entity'; readonly entity: CatalogueEntity })
  | (RuledHead & { readonly kind: 'group'; readonly group: CatalogueGroup })
  | (EntryHead & { readonly kind: 'opaque-group'; readonly group: OpaqueGroup })
  | (RuledHead & { readonly kind: 'service'; readonly service: CatalogueService })
  | (EntryHead & { readonly kind: 'policy'; readonly policy: PolicyRecord })
  /** A decision of the mesh; every region tells it on. */
  | (EntryHead & { readonly kind: 'registry-mode'; readonly record: RegistryModeRecord })
  /** The teller speaks for all that the decision with this hash gave it, as far as it knew of it. */
  | (EntryHead & { readonly kind: 'take-over'; readonly decision: string })
  | (EntryHead & { readonly kind: 'view'; readonly view: CatalogueView });

/** The number of the thing that an entry is about. */
export function serialOf(entry: CatalogueEntry): number {
  return entry.serial ?? entry.sequence;
}
