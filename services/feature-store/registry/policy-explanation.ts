import type { PolicyExplanation } from '@featuremesh/contracts/admin-policies';
import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import { gatewaySet } from '@featuremesh/domain/placement';
import { matchesGroup, policiesInForce } from '@featuremesh/domain/policy-rules';
import type { StateView } from '../serving/state-view.ts';

/** Why a group is where it is: the placement at `nowMs`, and the policies that led there, its own and its inputs'. */
export function explainPlacement(
  group: CatalogueGroup,
  { state, catalogue, placements }: StateView,
  nowMs: number,
): PolicyExplanation {
  const placement = placements.of(group, nowMs);
  const { definition } = group;
  const inForce = policiesInForce(state.policies, nowMs);
  const policies = sourcesOf(group, catalogue).flatMap(({ source, inputOf }) =>
    inForce
      .filter(({ document }) => matchesGroup(document, source))
      .map(({ document: { home, name, version } }) => ({ home, name, version, inputOf })),
  );
  return {
    group: `${definition.homeRegion}/${definition.name}@v${group.version}`,
    allowed: [...placement.allowed],
    placement: [...placement.placement],
    gatewaySets: Object.fromEntries(
      placement.placement.map(holder => [holder, [...gatewaySet(placement, holder, state)]]),
    ),
    rows: placement.rows,
    replicated: placement.replicated,
    egress: placement.egress,
    readers: {
      jurisdictions: copyOf(placement.readers.jurisdictions),
      purposes: copyOf(placement.readers.purposes),
      byPlacement: placement.readers.byPlacement,
    },
    visibility: placement.visibility,
    maxPolicyAgeMs: placement.maxPolicyAgeMs,
    policyEpoch: placement.policyEpoch,
    refusedWishes: definition.sync.regions.filter(region => !placement.placement.includes(region)),
    policies,
  };
}

interface Source {
  readonly source: CatalogueGroup;
  /** The input by which the policy reaches the group; null for the group itself. */
  readonly inputOf: string | null;
}

/** The group and everything it is computed from, each once; definitions have no cycles, and a repeated id ends the walk anyway. */
function sourcesOf(group: CatalogueGroup, catalogue: StateView['catalogue']): readonly Source[] {
  const found = new Map<string, Source>([[group.id, { source: group, inputOf: null }]]);
  const pending = [group];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.definition.inputs === 'external') continue;
    for (const reference of next.definition.inputs) {
      const input = catalogue.group(reference, next.definition.homeRegion);
      if (!input.ok || found.has(input.value.id)) continue;
      const { homeRegion, name } = input.value.definition;
      found.set(input.value.id, { source: input.value, inputOf: `${homeRegion}/${name}` });
      pending.push(input.value);
    }
  }
  return [...found.values()];
}

const copyOf = (list: readonly string[] | null): string[] | null => (list === null ? null : [...list]);
