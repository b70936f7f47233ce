import type { Catalogue } from './catalogue-lookup.ts';
import type { MeshState } from './mesh-state.ts';
import type { OnlineReadRequest, VectorsAs } from './online-answer.ts';
import type { Placements, ReadCaller } from './placement.ts';
import { type Problem, problem } from './problem.ts';
import type { RegionId } from './region-id.ts';
import { fail, type Result } from './result.ts';

/** What a region is asked to read: one group version, some features, one array per join key with the distinct keys. */
export interface ReadTicket {
  readonly g: string;
  readonly v: number;
  readonly as?: string;
  readonly f: readonly string[];
  /** Join key → values, all of one length; position i of all of them is distinct key i. */
  readonly keys: Readonly<Record<string, readonly unknown[]>>;
  readonly maxAgeMs?: number;
  readonly includeStale?: boolean;
  readonly vectorsAs?: VectorsAs;
  /** Position token that the region must have applied. */
  readonly after?: string;
  readonly purpose?: string;
  readonly maxLagMs?: number;
}

/** One part of a planned read: one group in one role from one region, or the reason why it may not or cannot be read. */
export interface PlannedRead {
  /** Null where no region could be named. */
  readonly region: RegionId | null;
  readonly groupId: string;
  /** The group's name; `home/name` where the request reads two groups of one name. */
  readonly group: string;
  readonly version: number;
  readonly as?: string;
  readonly names: readonly string[];
  /** Position among the ticket's keys per request row, −1 where this part does not answer that row; null where it is the identity. */
  readonly rowIndex: readonly number[] | null;
  /** Null exactly where there is a problem. */
  readonly ticket: ReadTicket | null;
  readonly problem?: Problem;
  /** Other permitted healthy copies, best first, for failover. */
  readonly alternatives: readonly RegionId[];
}

/** What a gateway or region knows of a region's health. */
export type RegionHealth = 'up' | 'down' | 'unknown';

/** All that a plan depends on beside the request. */
export interface ReadWorld {
  readonly state: MeshState;
  readonly gatewayRegion: RegionId;
  readonly nowMs: number;
  readonly caller: ReadCaller;
  readonly health: (region: RegionId) => RegionHealth;
  /** Replication lag of the group's copy in a region; undefined where unknown. */
  readonly lagMs?: (region: RegionId, groupId: string) => number | undefined;
  /** Smaller is nearer; for instance the round trip in ms. */
  readonly distance: (region: RegionId) => number;
  /** Given by callers that plan often: both belong to `state`. */
  readonly catalogue?: Catalogue;
  readonly placements?: Placements;
}

/** A planned read: request rows, and one part per (group, role, region). */
export interface ReadPlan {
  readonly rows: number;
  readonly reads: readonly PlannedRead[];
}

/** Plans an online read; a pure function. Fails as a whole only where the request itself is wrong. */
export function planRead(_request: OnlineReadRequest, _world: ReadWorld): Result<ReadPlan> {
  return fail(problem('NOT_YET_SUPPORTED', 'reads are not planned yet'));
}
