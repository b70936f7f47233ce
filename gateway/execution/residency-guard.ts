import { gatewaySet, mayRead, type ReadCaller } from '@featuremesh/domain/placement';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { PlannedRead } from '@featuremesh/domain/read-plan';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { MeshView } from '../catalogue/mesh-view.ts';

/** What the guard judges by. */
export interface GuardContext {
  readonly view: MeshView;
  readonly gatewayRegion: RegionId;
  readonly caller: ReadCaller;
  readonly nowMs: number;
}

/**
 * The last look before keys leave this process: whether `region` may get this part, judged by policy alone and not by the plan
 * (R1, R7, R11). Undefined where it may; a plan that fails here has a defect.
 */
export function refusalOf(read: PlannedRead, region: RegionId, context: GuardContext): Problem | undefined {
  const { view, gatewayRegion, caller, nowMs } = context;
  const { state } = view;
  const group = view.catalogue.groupById(read.groupId, read.version);
  if (group === undefined || read.ticket === null) return refusal(region);
  const placement = view.placements.of(group, nowMs);
  if (!placement.placement.includes(region)) return refusal(region);
  const asked = read.ticket.purpose;
  if (!mayRead(placement, asked === undefined ? caller : { ...caller, purpose: asked }, region, state))
    return problem('RESIDENCY_DENIED', 'the caller is outside the readers of the group', {
      extra: { region },
    });
  if (!gatewaySet(placement, region, state).includes(gatewayRegion)) return refusal(region);
  if (placement.replicated) return undefined;
  const residence = group.joinKeys.find(key => key.role === 'region');
  if (residence === undefined) return undefined;
  const elsewhere = (read.ticket.keys[residence.name] ?? []).some(value => value !== region);
  return elsewhere ? refusal(region) : undefined;
}

function refusal(region: RegionId): Problem {
  return problem('MISROUTED', `${region} may not answer this part`, { extra: { region } });
}
