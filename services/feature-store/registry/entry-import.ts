import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { Officer, PolicyRecord } from '@featuremesh/domain/policy';
import { type Problem, problem } from '@featuremesh/domain/problem';
import { entryName } from './entry-key.ts';
import { weighApprovals } from './policy-verification.ts';

/** An entry that was not taken over, and why. */
export interface RefusedEntry {
  readonly kind: CatalogueEntry['kind'];
  readonly home: string;
  readonly name: string;
  readonly problem: Problem;
  readonly entry: CatalogueEntry;
}

/** What this region judges a peer's entries by. */
export interface ImportWorld {
  readonly peer: string;
  readonly state: MeshState;
  /** All policy records known here, superseded ones included. */
  readonly policies: readonly PolicyRecord[];
  readonly officers: readonly Officer[];
  readonly nowMs: number;
}

/**
 * Splits what a peer told into what this region takes over and what it refuses. A peer speaks only for itself, and a policy
 * counts only with signatures that this region's own officers made. Definitions are judged before the policies on them.
 */
export function judgeImport(
  entries: readonly CatalogueEntry[],
  world: ImportWorld,
): { readonly accepted: readonly CatalogueEntry[]; readonly refused: readonly RefusedEntry[] } {
  const accepted: CatalogueEntry[] = [];
  const refused: RefusedEntry[] = [];
  const policies = new Map<string, PolicyRecord>();
  for (const policy of world.policies) policies.set(policyKey(policy), policy);
  const groups = new Map(world.state.groups.map(group => [`${group.id}/${group.version}`, group]));
  for (const entry of ordered(entries)) {
    const state = { ...world.state, groups: [...groups.values()], policies: [...policies.values()] };
    const wrong =
      foreign(entry, world) ??
      (entry.kind === 'policy' ? unapproved(entry.policy, { ...world, state }) : undefined);
    if (wrong !== undefined) {
      refused.push({ kind: entry.kind, home: entry.home, name: entryName(entry), problem: wrong, entry });
      continue;
    }
    accepted.push(entry);
    if (entry.kind === 'group') groups.set(`${entry.group.id}/${entry.group.version}`, entry.group);
    if (entry.kind === 'policy') policies.set(policyKey(entry.policy), entry.policy);
  }
  return { accepted, refused };
}

const policyKey = ({ document }: PolicyRecord): string =>
  `${document.home}/${document.name}/${document.version}`;

/**
 * Definitions first, then policies in the order in which their home put them in force: whether one loosens or restricts was
 * judged there with exactly those before it known.
 */
function ordered(entries: readonly CatalogueEntry[]): readonly CatalogueEntry[] {
  const epochOf = (entry: CatalogueEntry) => (entry.kind === 'policy' ? entry.policy.epoch : 0);
  return entries.toSorted((a, b) => epochOf(a) - epochOf(b));
}

function foreign(entry: CatalogueEntry, { peer, state }: ImportWorld): Problem | undefined {
  const spokenFor = homeOf(entry);
  if (entry.home !== peer || spokenFor !== peer || peer === state.region)
    return problem('FORBIDDEN', `${peer} may not speak for ${entry.home === peer ? spokenFor : entry.home}`);
  const known = state.regions.find(({ id }) => id === peer);
  if (known === undefined) return problem('FORBIDDEN', `${peer} is not a region known here`);
  if (entry.kind === 'region' && entry.region.publicKey !== known.publicKey)
    return problem('INVALID_SIGNATURE', `the key that ${peer} announces is not the one configured here`);
  if (entry.kind === 'group' || entry.kind === 'opaque-group')
    return stolenId(entry.group.id, { peer, state });
  return undefined;
}

/** A group id belongs to the home that drew it; another's would let a peer write into a table that is not its own. */
function stolenId(
  groupId: string,
  { peer, state }: Pick<ImportWorld, 'peer' | 'state'>,
): Problem | undefined {
  const holder =
    state.groups.find(({ id }) => id === groupId)?.definition.homeRegion ??
    state.opaqueGroups.find(({ id }) => id === groupId)?.homeRegion;
  if (holder === undefined || holder === peer) return undefined;
  return problem('FORBIDDEN', `the group id that ${peer} uses belongs to ${holder}`);
}

function homeOf(entry: CatalogueEntry): string {
  switch (entry.kind) {
    case 'region':
      return entry.region.id;
    case 'entity':
      return entry.entity.homeRegion;
    case 'group':
      return entry.group.definition.homeRegion;
    case 'service':
      return entry.service.definition.homeRegion;
    case 'opaque-group':
      return entry.group.homeRegion;
    case 'policy':
      return entry.policy.document.home;
    case 'view':
      return entry.home;
  }
}

function unapproved(record: PolicyRecord, world: ImportWorld): Problem | undefined {
  if (record.epoch <= 0)
    return problem('POLICY_NOT_APPROVED', 'the home region has not put the policy in force');
  const approval = weighApprovals(record, { ...world, records: world.state.policies });
  if (!approval.ok) return approval.problem;
  const { required, approvers, change } = approval.value;
  if (approvers.length >= required) return undefined;
  return problem(
    'POLICY_NOT_APPROVED',
    `a ${change} needs ${required} approvals of officers known here, it has ${approvers.length}`,
  );
}
