import { canonicalJson } from './canonical-json.ts';
import type { CatalogueGroup } from './feature-group.ts';
import type { MeshState } from './mesh-state.ts';
import {
  EGRESS_CLASSES,
  type OfficerSignature,
  type PolicyDocument,
  type PolicyRecord,
  VISIBILITIES,
} from './policy.ts';
import type { RegionId } from './region-id.ts';

/** The canonical text of a policy, to be hashed with SHA-256 (hex) by the caller. */
export function policyHashText(document: PolicyDocument): string {
  return canonicalJson(document);
}

/** What an officer signs: the policy's hash, the act and the time, under a label that no other signature carries. */
export function signedText(hash: string, act: OfficerSignature['act'], at: string): string {
  return `featuremesh-policy-1\n${act}\n${hash}\n${at}`;
}

/** Whether the policy has begun and not ended at `nowMs`. */
export function inForce(document: PolicyDocument, nowMs: number): boolean {
  const { from, until } = document.effective;
  return Date.parse(from) <= nowMs && (until === null || nowMs < Date.parse(until));
}

/** Whether the policy selects the group: same home, and named by its reference or by one of its entities. */
export function matchesGroup(document: PolicyDocument, group: CatalogueGroup): boolean {
  const { definition } = group;
  if (document.home !== definition.homeRegion) return false;
  return (
    document.select.groups.includes(`${definition.homeRegion}/${definition.name}`) ||
    document.select.entities.some(entity => definition.entities.includes(entity)) ||
    document.select.tags.some(tag => definition.tags.includes(tag))
  );
}

/**
 * The records that count at `nowMs`: approved (epoch > 0) and in force, and of each name only the newest version that has
 * begun, so that an approved loosening with a later date leaves its predecessor in force until then (R5).
 */
export function policiesInForce(records: readonly PolicyRecord[], nowMs: number): readonly PolicyRecord[] {
  const newest = new Map<string, PolicyRecord>();
  for (const record of records) {
    const { home, name, version, effective } = record.document;
    if (record.epoch <= 0 || Date.parse(effective.from) > nowMs) continue;
    const key = `${home}/${name}`;
    const known = newest.get(key);
    if (known === undefined || known.document.version < version) newest.set(key, record);
  }
  return [...newest.values()].filter(record => inForce(record.document, nowMs));
}

/**
 * The records that a registry must keep in its state at `nowMs`: what is in force or may come into force by time alone.
 * Older versions than the newest begun one of the same name are dropped.
 */
export function policiesToKeep(records: readonly PolicyRecord[], nowMs: number): readonly PolicyRecord[] {
  const begun = new Map<string, number>();
  const key = ({ document }: PolicyRecord) => `${document.home}/${document.name}`;
  const approved = records.filter(record => record.epoch > 0);
  for (const record of approved) {
    if (Date.parse(record.document.effective.from) > nowMs) continue;
    begun.set(key(record), Math.max(begun.get(key(record)) ?? 0, record.document.version));
  }
  return approved.filter(record => record.document.version >= (begun.get(key(record)) ?? 0));
}

/** How a change of policy acts: `loosening` where any field is wider in any way, else `tightening`, else `neutral`. */
export type PolicyChange = 'loosening' | 'tightening' | 'neutral';

/**
 * Classes a new version against the one before; without one, against default deny, or as a pure restriction where others already apply.
 * With `nowMs`, dates that have passed count as now.
 */
export function comparePolicies(
  previous: PolicyDocument | undefined,
  next: PolicyDocument,
  state: MeshState,
  nowMs = -Infinity,
): PolicyChange {
  if (previous === undefined) {
    if (onlyRestricts(next, state)) return 'tightening';
    return widenings(defaultDeny(next), next, state, nowMs).length > 0 ? 'loosening' : 'tightening';
  }
  if (widenings(previous, next, state, nowMs).length > 0) return 'loosening';
  return widenings(next, previous, state, nowMs).length > 0 ? 'tightening' : 'neutral';
}

/**
 * Classes a new version against every earlier version that is in force or may still come into force at `nowMs`, the strictest of which
 * may be the present one: an approved loosening that waits for its date must not let its successor loosen at once.
 */
export function changeOfPolicy(
  next: PolicyDocument,
  records: readonly PolicyRecord[],
  state: MeshState,
  nowMs: number,
): PolicyChange {
  const earlier = policiesToKeep(records, nowMs).filter(
    ({ document }) =>
      document.home === next.home && document.name === next.name && document.version < next.version,
  );
  if (earlier.length === 0) return comparePolicies(undefined, next, state, nowMs);
  const changes = earlier.map(({ document }) => comparePolicies(document, next, state, nowMs));
  return (['loosening', 'tightening'] as const).find(change => changes.includes(change)) ?? 'neutral';
}

/** The fields by which `next` is wider than `previous`, in words; empty where it is nowhere wider. */
export function widenings(
  previous: PolicyDocument,
  next: PolicyDocument,
  state: MeshState,
  nowMs = -Infinity,
): readonly string[] {
  const wider: string[] = [];
  const note = (is: boolean, text: string) => {
    if (is) wider.push(text);
  };
  const before = allowedByDocument(previous, state);
  const after = allowedByDocument(next, state);
  const added = after.filter(region => !before.includes(region));
  note(added.length > 0, `regions added: ${added.join(', ')}`);
  note(futureRegionsAdded(previous, next, state), 'regions not known yet may be added');
  note(previous.rows === 'origin' && next.rows === 'shared', 'rows: origin becomes shared');
  note(
    EGRESS_CLASSES.indexOf(next.egress) > EGRESS_CLASSES.indexOf(previous.egress),
    `egress becomes ${next.egress}`,
  );
  note(
    VISIBILITIES.indexOf(next.visibility) < VISIBILITIES.indexOf(previous.visibility),
    'visibility widens',
  );
  note((next.maxPolicyAgeMs ?? Infinity) > (previous.maxPolicyAgeMs ?? Infinity), 'maxPolicyAge grows');
  note(readersWiden(previous, next, { before, after, state }), 'readers: jurisdictions widen');
  note(purposesWiden(previous.readers.purposes, next.readers.purposes), 'readers: purposes widen');
  note(beginsMs(next, nowMs) < beginsMs(previous, nowMs), 'the policy begins earlier');
  note(previous.effective.until !== next.effective.until, 'the end of the policy moves');
  note(selectionChanges(previous, next, state), 'the selection changes');
  return wider;
}

/** Approvers needed beside the author: two to loosen, one otherwise (A6). */
export function requiredApprovals(change: PolicyChange): number {
  return change === 'loosening' ? 2 : 1;
}

/** Regions of the state that the document alone allows, sorted; a list of both kinds admits what both admit. */
export function allowedByDocument(document: PolicyDocument, state: MeshState): readonly RegionId[] {
  const { regions, jurisdictions } = document.allowed;
  return state.regions
    .filter(
      region =>
        (regions.length > 0 || jurisdictions.length > 0) &&
        (regions.length === 0 || regions.includes(region.id)) &&
        (jurisdictions.length === 0 || jurisdictions.includes(region.jurisdiction)),
    )
    .map(region => region.id)
    .toSorted();
}

function defaultDeny(next: PolicyDocument): PolicyDocument {
  return {
    ...next,
    allowed: { regions: [next.home], jurisdictions: [] },
    rows: 'shared',
    egress: 'local-only',
    readers: { jurisdictions: null, purposes: null },
    visibility: 'full',
    maxPolicyAgeMs: null,
  };
}

function beginsMs({ effective }: PolicyDocument, nowMs: number): number {
  return Math.max(Date.parse(effective.from), nowMs);
}

/** True where every group that the policy can ever select is named, known, and under another policy before it begins and for good. */
function onlyRestricts(next: PolicyDocument, state: MeshState): boolean {
  if (next.select.entities.length > 0 || next.select.tags.length > 0) return false;
  const others = new Map<string, PolicyDocument[]>();
  for (const { document, epoch } of state.policies) {
    if (epoch <= 0 || document.home !== next.home || document.name === next.name) continue;
    others.set(document.name, [...(others.get(document.name) ?? []), document]);
  }
  const covers = (documents: readonly PolicyDocument[], group: CatalogueGroup) =>
    documents.every(document => document.effective.until === null && matchesGroup(document, group)) &&
    documents.some(({ effective }) => Date.parse(effective.from) <= Date.parse(next.effective.from));
  return next.select.groups.every(reference => {
    const versions = state.groups.filter(
      ({ definition }) => `${definition.homeRegion}/${definition.name}` === reference,
    );
    return (
      versions.length > 0 && versions.every(group => [...others.values()].some(one => covers(one, group)))
    );
  });
}

/** Regions that are not known yet count too: what `next` may come to admit must already be admitted by `previous`. */
function futureRegionsAdded(previous: PolicyDocument, next: PolicyDocument, state: MeshState): boolean {
  const from = previous.allowed;
  const to = next.allowed;
  if (to.regions.length === 0) {
    if (to.jurisdictions.length === 0) return false;
    if (from.regions.length > 0 || from.jurisdictions.length === 0) return true;
    return to.jurisdictions.some(jurisdiction => !from.jurisdictions.includes(jurisdiction));
  }
  const unknown = to.regions.filter(region => !state.regions.some(known => known.id === region));
  if (from.regions.length > 0) {
    if (unknown.some(region => !from.regions.includes(region))) return true;
    return unknown.length > 0 && from.jurisdictions.length > 0 && to.jurisdictions.length === 0;
  }
  return unknown.length > 0;
}

function readersWiden(
  previous: PolicyDocument,
  next: PolicyDocument,
  world: { before: readonly RegionId[]; after: readonly RegionId[]; state: MeshState },
): boolean {
  const jurisdictionsOf = (regions: readonly RegionId[]) =>
    new Set(
      world.state.regions.filter(region => regions.includes(region.id)).map(region => region.jurisdiction),
    );
  const [from, to] = [previous.readers.jurisdictions, next.readers.jurisdictions];
  if (from !== null) return [...(to ?? jurisdictionsOf(world.after))].some(one => !from.includes(one));
  if (to === null) return false;
  // The default may be as narrow as one holder's jurisdiction, so a list is no wider only where it names that one alone.
  const before = jurisdictionsOf(world.before);
  return before.size === 1 ? to.some(one => !before.has(one)) : to.length > 0;
}

function purposesWiden(from: readonly string[] | null, to: readonly string[] | null): boolean {
  if (from === null) return false;
  return to === null || to.some(purpose => !from.includes(purpose));
}

/** A group that leaves the selection may lose a restriction; one that enters may gain a permission. */
function selectionChanges(previous: PolicyDocument, next: PolicyDocument, state: MeshState): boolean {
  const removed = (['groups', 'tags', 'entities'] as const).some(kind =>
    previous.select[kind].some(name => !next.select[kind].includes(name)),
  );
  const added = (['groups', 'tags', 'entities'] as const).some(kind =>
    next.select[kind].some(name => !previous.select[kind].includes(name)),
  );
  if (removed) return true;
  return added && comparePolicies(undefined, next, state) === 'loosening';
}
