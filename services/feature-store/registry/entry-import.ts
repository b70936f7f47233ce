import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { Officer, PolicyRecord } from '@featuremesh/domain/policy';
import { type Problem, problem } from '@featuremesh/domain/problem';
import { regionId } from '@featuremesh/domain/region-id';
import {
  definitionOf,
  MODE_APPROVALS,
  type RegistryModeRecord,
  RegistryModes,
} from '@featuremesh/domain/registry-mode';
import { entryName } from './entry-key.ts';
import { modeApproval } from './mode-approval.ts';
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
  /** Decisions about who accepts definitions, as known here. */
  readonly modes: RegistryModes;
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
  const modes = new RegistryModes([
    ...world.modes.records,
    // Whatever the peer says, the approvals are counted here.
    ...entries.flatMap(entry =>
      entry.kind === 'registry-mode' && decided(entry.record, world) === undefined ? [entry.record] : [],
    ),
  ]);
  for (const entry of ordered(entries)) {
    const state = { ...world.state, groups: [...groups.values()], policies: [...policies.values()] };
    const wrong =
      foreign(entry, { ...world, modes }) ??
      (entry.kind === 'registry-mode' ? decided(entry.record, world) : undefined) ??
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

/** Whether some decision of the mesh, known here, let the teller speak for definitions of that name. */
function speaksForOthers(entry: CatalogueEntry, { modes }: ImportWorld): boolean {
  const of = definitionOf(entry);
  if (of === undefined && entry.kind !== 'opaque-group') return false;
  return modes.everCentral(regionId(entry.home), of?.name);
}

function foreign(entry: CatalogueEntry, world: ImportWorld): Problem | undefined {
  const { peer, state } = world;
  const spokenFor = homeOf(entry);
  const speaks = spokenFor === peer || speaksForOthers(entry, world);
  if (entry.home !== peer || !speaks || peer === state.region)
    return problem('FORBIDDEN', `${peer} may not speak for ${entry.home === peer ? spokenFor : entry.home}`);
  const known = state.regions.find(({ id }) => id === peer);
  if (known === undefined) return problem('FORBIDDEN', `${peer} is not a region known here`);
  if (entry.kind === 'region' && entry.region.publicKey !== known.publicKey)
    return problem('INVALID_SIGNATURE', `the key that ${peer} announces is not the one configured here`);
  if (entry.kind === 'group' || entry.kind === 'opaque-group')
    return stolenId(entry.group.id, { peer, state, spokenFor });
  return undefined;
}

/** A group id belongs to the home that drew it; another's would let a peer write into a table that is not its own. */
function stolenId(
  groupId: string,
  { peer, state, spokenFor }: Pick<ImportWorld, 'peer' | 'state'> & { readonly spokenFor: string },
): Problem | undefined {
  const holder =
    state.groups.find(({ id }) => id === groupId)?.definition.homeRegion ??
    state.opaqueGroups.find(({ id }) => id === groupId)?.homeRegion;
  if (holder === undefined || holder === spokenFor) return undefined;
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
    case 'registry-mode':
    case 'take-over':
    case 'view':
      return entry.home;
  }
}

/** What speaks against a decision that a peer tells; undefined where this region's own officers approved it. */
function decided(record: RegistryModeRecord, { officers, modes }: ImportWorld): Problem | undefined {
  // Judged when it first came; every region tells it at every beginning of a session.
  if (record.approved && modes.records.some(({ hash }) => hash === record.hash)) return undefined;
  const approval = modeApproval(record, officers);
  if (!approval.ok) return approval.problem;
  if (record.approved && approval.value.sufficient) return undefined;
  const approvers = approval.value.approvers.length;
  return problem(
    'POLICY_NOT_APPROVED',
    `a decision about registries needs ${MODE_APPROVALS} approvals of officers known here, it has ${approvers}`,
  );
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
