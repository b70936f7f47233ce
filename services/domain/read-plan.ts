import { Catalogue } from './catalogue-lookup.ts';
import type { CatalogueGroup } from './feature-group.ts';
import type { MeshState } from './mesh-state.ts';
import type { OnlineReadRequest, VectorsAs } from './online-answer.ts';
import { Placements, type ReadCaller } from './placement.ts';
import { type Position, parsePosition } from './position.ts';
import { type Problem, problem } from './problem.ts';
import { type Route, type Routing, routeToCopy, routeToSlice } from './read-route.ts';
import { countRows, type DistinctKeys, distinctKeys, partOf, withoutIdentity } from './read-rows.ts';
import { type ReadSelection, ReadSelections } from './read-selection.ts';
import type { RegionId } from './region-id.ts';
import { fail, ok, type Result } from './result.ts';

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
  /** The ticket's keys as the store has them, for a reader in the same process. */
  readonly encodedKeys: readonly Uint8Array[];
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
  /** Given by callers that plan often: all belong to `state`, the selections to `gatewayRegion` as well. */
  readonly catalogue?: Catalogue;
  readonly placements?: Placements;
  readonly selections?: ReadSelections;
}

/** A planned read: request rows, and one part per (group, role, region). */
export interface ReadPlan {
  readonly rows: number;
  readonly reads: readonly PlannedRead[];
}

/**
 * Plans an online read; a pure function. Fails as a whole only where the request itself is wrong (references, keys, limits, position);
 * what policy, health or lag forbid becomes a part with a problem and without a ticket, so that nobody is contacted for it (R7).
 */
export function planRead(request: OnlineReadRequest, world: ReadWorld): Result<ReadPlan> {
  if (request.context !== undefined && Object.keys(request.context).length > 0) {
    return fail(problem('NOT_YET_SUPPORTED', '`context` is not supported yet'));
  }
  const after = positionOf(request);
  if (!after.ok) return after;
  const rows = countRows(request.keys);
  if (!rows.ok) return rows;
  const catalogue = world.catalogue ?? new Catalogue(world.state);
  const placements = world.placements ?? new Placements(world.state, catalogue);
  const known = world.selections ?? new ReadSelections(catalogue, world.gatewayRegion);
  const selections = known.of(request);
  if (!selections.ok) return selections;
  const caller = request.purpose === undefined ? world.caller : { ...world.caller, purpose: request.purpose };
  const reads: PlannedRead[] = [];
  for (const selection of selections.value) {
    const keys = distinctKeys(selection, request.keys, rows.value);
    if (!keys.ok) return keys;
    const { group } = selection;
    const routing: Routing = { group, placement: placements.of(group, world.nowMs), request, caller, world };
    for (const part of parts(routing, keys.value)) {
      reads.push(plannedRead({ selection, routing, part, after: after.value }));
    }
  }
  return ok({ rows: rows.value, reads });
}

interface Part {
  readonly route: Route;
  readonly keys: DistinctKeys;
}

/** One part for a replicated group; else one per region named by the region-valued key, or one per slice. */
function parts(routing: Routing, keys: DistinctKeys): readonly Part[] {
  const { group, placement } = routing;
  if (placement.replicated || placement.placement.length === 0)
    return [{ route: routeToCopy(routing), keys }];
  const regionKey = group.joinKeys.find(joinKey => joinKey.role === 'region')?.name;
  if (regionKey === undefined) {
    return placement.placement.map(holder => ({ route: routeToSlice(routing, holder), keys }));
  }
  const regions = keys.columns[group.joinKeys.findIndex(({ name }) => name === regionKey)] ?? [];
  const named = new Set(regions);
  const split: Part[] = placement.placement
    .filter(holder => named.has(holder))
    .map(holder => ({
      route: routeToSlice(routing, holder),
      keys: partOf(keys, position => regions[position] === holder),
    }));
  const rest = partOf(keys, position => !placement.placement.some(holder => holder === regions[position]));
  return rest.encoded.length === 0
    ? split
    : [...split, { route: unknownRegion(group, regionKey), keys: rest }];
}

function unknownRegion(group: CatalogueGroup, regionKey: string): Route {
  const detail = `Values of ${regionKey} name no region that may hold rows of ${group.definition.name}`;
  return {
    kind: 'refused',
    region: null,
    problem: problem('UNKNOWN_REGION', detail, { extra: { region: null } }),
  };
}

interface Planning {
  readonly selection: ReadSelection;
  readonly routing: Routing;
  readonly part: Part;
  readonly after: { readonly token: string; readonly position: Position } | undefined;
}

function plannedRead({ selection, routing, part, after }: Planning): PlannedRead {
  const { group, as, names, label } = selection;
  const { route, keys } = part;
  const common = {
    region: route.region,
    groupId: group.id,
    group: label,
    version: group.version,
    ...(as === undefined ? {} : { as }),
    names,
    rowIndex: withoutIdentity(keys.rowIndex),
    encodedKeys: keys.encoded,
  };
  if (route.kind === 'refused') return { ...common, ticket: null, problem: route.problem, alternatives: [] };
  const { request, placement } = routing;
  // A slice never applies another region's writes, so waiting for one there would never end.
  const waits =
    after !== undefined &&
    after.position.groupId === group.id &&
    (placement.replicated || after.position.origin === route.region);
  const { maxAgeMs, includeStale, vectorsAs, purpose, maxLagMs } = request;
  const ticket: ReadTicket = {
    g: group.id,
    v: group.version,
    ...(as === undefined ? {} : { as }),
    f: names,
    keys: Object.fromEntries(group.joinKeys.map(({ name }, i) => [name, keys.columns[i] ?? []])),
    ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
    ...(includeStale === undefined ? {} : { includeStale }),
    ...(vectorsAs === undefined ? {} : { vectorsAs }),
    ...(waits ? { after: after.token } : {}),
    ...(purpose === undefined ? {} : { purpose }),
    ...(maxLagMs === undefined ? {} : { maxLagMs }),
  };
  return { ...common, ticket, alternatives: route.alternatives };
}

function positionOf(request: OnlineReadRequest): Result<Planning['after']> {
  if (typeof request.consistency !== 'object') return ok(undefined);
  const token = request.consistency.after;
  const position = parsePosition(token);
  if (position === undefined)
    return fail(problem('INVALID_POSITION', '`consistency.after` is no position token'));
  return ok({ token, position });
}
