import type { CatalogueGroup } from './feature-group.ts';
import type { OnlineReadRequest, RedirectCandidate } from './online-answer.ts';
import { type GroupPlacement, gatewaySet, mayRead, policyIsStale, type ReadCaller } from './placement.ts';
import { type Problem, problem } from './problem.ts';
import type { ReadWorld } from './read-plan.ts';
import type { RegionId } from './region-id.ts';

/** Where one part of a read goes: a region with alternatives, or the reason why it goes nowhere. */
export type Route =
  | { readonly kind: 'to'; readonly region: RegionId; readonly alternatives: readonly RegionId[] }
  | { readonly kind: 'refused'; readonly region: RegionId | null; readonly problem: Problem };

/** What routing one group needs. */
export interface Routing {
  readonly group: CatalogueGroup;
  readonly placement: GroupPlacement;
  readonly request: OnlineReadRequest;
  readonly caller: ReadCaller;
  readonly world: ReadWorld;
}

/** The closest permitted copy of a replicated group; readers are judged before the gateway set, that before health and lag. */
export function routeToCopy(routing: Routing): Route {
  const { group, placement, request, caller, world } = routing;
  const { state } = world;
  if (policyIsStale(placement, state, world.nowMs)) return stale(group, null);
  const readable = placement.placement.filter(holder => mayRead(placement, caller, holder, state));
  if (readable.length === 0) return denied(group, null);
  const permitted = readable.filter(holder =>
    gatewaySet(placement, holder, state).includes(world.gatewayRegion),
  );
  if (permitted.length === 0) return redirect(routing, readable, null);
  const home = group.definition.homeRegion;
  const wanted = request.consistency === 'home' ? permitted.filter(region => region === home) : permitted;
  if (wanted.length === 0) {
    const detail = `Only ${home} may answer with consistency home, and it may not answer here`;
    return {
      kind: 'refused',
      region: home,
      problem: problem('MISROUTED', detail, { extra: { region: home } }),
    };
  }
  const near = nearestFirst(wanted, world);
  const healthy = near.filter(region => world.health(region) !== 'down');
  if (healthy.length === 0) return unavailable(group, near[0] ?? null);
  const { maxLagMs } = request;
  const fresh =
    maxLagMs === undefined
      ? healthy
      : healthy.filter(region => (world.lagMs?.(region, group.id) ?? 0) <= maxLagMs);
  const [region, ...alternatives] = fresh;
  if (region !== undefined) return { kind: 'to', region, alternatives };
  const [nearest] = healthy;
  const detail = `No permitted copy of ${group.definition.name} is within ${maxLagMs} ms`;
  return {
    kind: 'refused',
    region: nearest ?? null,
    problem: problem('LAG_TOO_HIGH', detail, { extra: { region: nearest ?? null } }),
  };
}

/** The one region that holds a slice, where it may answer this gateway and this caller. */
export function routeToSlice(routing: Routing, holder: RegionId): Route {
  const { group, placement, caller, world } = routing;
  const { state } = world;
  if (policyIsStale(placement, state, world.nowMs)) return stale(group, holder);
  if (!mayRead(placement, caller, holder, state)) return denied(group, holder);
  if (!gatewaySet(placement, holder, state).includes(world.gatewayRegion))
    return redirect(routing, [holder], holder);
  if (world.health(holder) === 'down') return unavailable(group, holder);
  return { kind: 'to', region: holder, alternatives: [] };
}

/** The own region first, then those known to be up, then by distance and id. */
function nearestFirst(regions: readonly RegionId[], world: ReadWorld): readonly RegionId[] {
  const rank = (region: RegionId) => {
    if (region === world.gatewayRegion) return 0;
    return world.health(region) === 'up' ? 1 : 2;
  };
  return regions.toSorted(
    (a, b) => rank(a) - rank(b) || world.distance(a) - world.distance(b) || (a < b ? -1 : 1),
  );
}

function redirect(routing: Routing, holders: readonly RegionId[], region: RegionId | null): Route {
  const { placement, world, group } = routing;
  const gateways = new Set(holders.flatMap(holder => gatewaySet(placement, holder, world.state)));
  const candidates: RedirectCandidate[] = nearestFirst([...gateways], world).flatMap(id => {
    const info = world.state.regions.find(known => known.id === id);
    return info === undefined ? [] : [{ region: id, publicGatewayUrl: info.publicGatewayUrl }];
  });
  const detail = `Answers of ${group.definition.name} may not pass through the gateway of ${world.gatewayRegion}`;
  return {
    kind: 'refused',
    region,
    problem: problem('RESIDENCY_REDIRECT', detail, { extra: { region, candidates } }),
  };
}

function denied(group: CatalogueGroup, region: RegionId | null): Route {
  const detail = `The caller is outside the readers of ${group.definition.name}`;
  return { kind: 'refused', region, problem: problem('RESIDENCY_DENIED', detail, { extra: { region } }) };
}

function stale(group: CatalogueGroup, region: RegionId | null): Route {
  const detail = `The policy of ${group.definition.name} was not confirmed within its maxPolicyAge`;
  return { kind: 'refused', region, problem: problem('POLICY_STALE', detail, { extra: { region } }) };
}

function unavailable(group: CatalogueGroup, region: RegionId | null): Route {
  const detail = `No permitted copy of ${group.definition.name} answers`;
  return { kind: 'refused', region, problem: problem('REGION_UNAVAILABLE', detail, { extra: { region } }) };
}
