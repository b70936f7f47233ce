import { ERRORS } from '@featuremesh/domain/error-catalogue';
import type { OnlineReadRequest } from '@featuremesh/domain/online-answer';
import type { Problem } from '@featuremesh/domain/problem';
import { type PlannedRead, planRead, type ReadPlan, type ReadWorld } from '@featuremesh/domain/read-plan';
import type { Result } from '@featuremesh/domain/result';
import type { OwnAnswer } from './own-reader.ts';
import type { RequestContext } from './request-context.ts';

/** What the planner asks about regions. */
export type RegionKnowledge = Pick<ReadWorld, 'health' | 'distance'>;

/** Plans a read request, for GraphQL and HTTP alike. Contacts nobody. */
export function planOnline(
  request: OnlineReadRequest,
  context: RequestContext,
  regions: RegionKnowledge,
): Result<ReadPlan> {
  const { view, caller, gatewayRegion, nowMs } = context.read;
  return planRead(request, {
    state: view.state,
    catalogue: view.catalogue,
    placements: view.placements,
    selections: view.selections,
    gatewayRegion,
    nowMs,
    caller,
    health: regions.health,
    distance: regions.distance,
  });
}

/** What is known of regions once the own one was asked: where it did not answer, it is not asked again for the same read. */
export function regionsAfter(
  own: OwnAnswer,
  regions: RegionKnowledge,
  { read }: RequestContext,
): RegionKnowledge {
  if (own.kind !== 'failed') return regions;
  const health: RegionKnowledge['health'] = region =>
    region === read.gatewayRegion ? 'down' : regions.health(region);
  return { health, distance: regions.distance };
}

/** The first refusal where policy refuses every part of a plan, so that there is nothing to answer; undefined where any part may be tried. */
export function refusalOfAll({ reads }: ReadPlan): Problem | undefined {
  return reads.every(read => isRefusal(read.problem)) ? reads[0]?.problem : undefined;
}

/** True for a problem that trying again does not help: the part is refused, not unavailable. */
export function isRefusal(reason: Problem | undefined): boolean {
  return reason !== undefined && !ERRORS[reason.code].retryable;
}

/** A part for which no region could be named still has a region in the schema: the one that owns the group. */
export function homeOf(read: PlannedRead, { view }: RequestContext): string {
  return view.catalogue.groupById(read.groupId, read.version)?.definition.homeRegion ?? view.state.region;
}
