import type { PolicyListItem, PolicyPlan } from '@featuremesh/contracts/admin-policies';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { Placements } from '@featuremesh/domain/placement';
import type { PolicyDocument, PolicyRecord } from '@featuremesh/domain/policy';
import {
  allowedByDocument,
  changeOfPolicy,
  inForce,
  matchesGroup,
  requiredApprovals,
  widenings,
} from '@featuremesh/domain/policy-rules';
import { withheldFromHolders } from '@featuremesh/domain/publication';
import { earlierVersions, previousVersion } from './policy-verification.ts';

/** How a document acts against the version before it, and what it does to each group of its home, at its beginning. */
export function policyImpact(
  document: PolicyDocument,
  world: { readonly state: MeshState; readonly records: readonly PolicyRecord[]; readonly nowMs: number },
): PolicyPlan {
  const { state, records, nowMs } = world;
  const previous = previousVersion(document, records);
  const change = changeOfPolicy(document, earlierVersions(document, records), state, nowMs);
  const atMs = Math.max(nowMs, Date.parse(document.effective.from));
  const before = new Placements(state);
  const after = new Placements(withPolicy(state, document));
  const groups = state.groups.flatMap(group => {
    const was = before.of(group, atMs);
    const willBe = after.of(group, atMs);
    const named = matchesGroup(document, group) || (previous !== undefined && matchesGroup(previous, group));
    if (!named && was.policyEpoch === willBe.policyEpoch) return [];
    const { homeRegion, name, sync } = group.definition;
    return [
      {
        group: `${homeRegion}/${name}@v${group.version}`,
        placementBefore: [...was.placement],
        placementAfter: [...willBe.placement],
        refusedWishes: sync.regions.filter(region => !willBe.placement.includes(region)),
      },
    ];
  });
  const wider =
    previous === undefined ? widerThanDefault(document, state) : widenings(previous, document, state);
  return {
    change,
    wider: change === 'loosening' ? [...wider] : [],
    requiredApprovals: requiredApprovals(change),
    groups,
  };
}

/** The groups that the document would leave without any region for their rows, by reference. */
export function emptiedBy({ groups }: PolicyPlan): readonly string[] {
  return groups
    .filter(
      ({ placementBefore, placementAfter }) => placementBefore.length > 0 && placementAfter.length === 0,
    )
    .map(({ group }) => group);
}

/** Where a record stands at `nowMs` among all records of its name. */
export function policyState(
  { document, epoch }: PolicyRecord,
  records: readonly PolicyRecord[],
  nowMs: number,
): PolicyListItem['state'] {
  const newer = records.filter(
    ({ document: other, epoch: otherEpoch }) =>
      otherEpoch > 0 &&
      other.home === document.home &&
      other.name === document.name &&
      other.version > document.version,
  );
  const replaced = newer.some(({ document: other }) => Date.parse(other.effective.from) <= nowMs);
  if (replaced || (epoch === 0 && newer.length > 0)) return 'superseded';
  if (epoch === 0) return 'proposed';
  if (Date.parse(document.effective.from) > nowMs) return 'approved';
  return inForce(document, nowMs) ? 'in-force' : 'expired';
}

/**
 * Groups that a region may hold rows of but, were the document in force, could not be told: it names them beside one that the region may
 * not know, so that the region could never learn the policy that permits them.
 */
export function blindedBy(
  document: PolicyDocument,
  { state, nowMs }: { readonly state: MeshState; readonly nowMs: number },
): readonly { readonly group: string; readonly region: string }[] {
  const atMs = Math.max(nowMs, Date.parse(document.effective.from));
  const key = (one: { readonly group: string; readonly region: string }) => `${one.group} ${one.region}`;
  const before = new Set(withheldFromHolders(state, atMs).map(key));
  return withheldFromHolders(withPolicy(state, document), atMs).filter(one => !before.has(key(one)));
}

function withPolicy(state: MeshState, document: PolicyDocument): MeshState {
  const record: PolicyRecord = { document, hash: 'planned', signatures: [], epoch: Number.MAX_SAFE_INTEGER };
  const others = state.policies.filter(
    ({ document: other }) =>
      other.home !== document.home || other.name !== document.name || other.version < document.version,
  );
  return { ...state, policies: [...others, record] };
}

function widerThanDefault(document: PolicyDocument, state: MeshState): readonly string[] {
  const regions = allowedByDocument(document, state).filter(region => region !== document.home);
  return [
    ...(regions.length === 0 ? [] : [`regions added: ${regions.join(', ')}`]),
    ...(document.egress === 'local-only' ? [] : [`egress becomes ${document.egress}`]),
    ...(document.readers.jurisdictions === null
      ? []
      : ['readers are listed instead of following the placement']),
  ];
}
