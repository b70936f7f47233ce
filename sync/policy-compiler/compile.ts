import { createHash } from 'node:crypto';
import { canonicalJson } from '@featuremesh/domain/canonical-json';
import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { type GroupPlacement, gatewaySet, mayHold, Placements } from '@featuremesh/domain/placement';
import type { RegionId } from '@featuremesh/domain/region-id';
import { CURSOR_TOKEN, feedCursorSubject, feedImportSubject, outSubject } from '@featuremesh/domain/subjects';

/** One group version that may leave over a link. */
export interface ExportedVersion {
  readonly groupId: string;
  readonly version: number;
  readonly schemaHash: string;
  readonly policyEpoch: string;
}

/** What one peer may be sent. */
export interface CompiledLink {
  readonly peer: RegionId;
  /** Sorted by group and version. */
  readonly exports: readonly ExportedVersion[];
  /** Subjects that OUT lists and the relay may publish, beside the link's own. */
  readonly outSubjects: readonly string[];
}

/** Which regions' gateways may carry answers about a group held here; attested with the rest. */
export interface GatewayRule {
  readonly groupId: string;
  readonly version: number;
  readonly gateways: readonly RegionId[];
}

/** Rows in question: of which group version, accepted by which region. */
export interface RowsOf {
  readonly groupId: string;
  readonly version: number;
  readonly origin: string;
}

/** As `RowsOf`, with the revision of that version that packed them. */
interface PackedRowsOf extends RowsOf {
  readonly packedBy: number;
}

/** What an importer does with rows: take them, set them aside until their version and revision are known, or refuse them. */
export type ImportJudgement = 'accept' | 'unknown' | 'refuse';

/** Everything that the broker and the link engines run by, as compiled from one state. */
export interface CompiledPolicy {
  readonly revision: number;
  /** Newest policy epoch of this home region. */
  readonly ownPolicyEpoch: number;
  readonly feedSubjects: readonly string[];
  readonly links: ReadonlyMap<RegionId, CompiledLink>;
  readonly gatewayRules: readonly GatewayRule[];
  /** SHA-256 (hex) over subjects, links and gateway rules: what the region attests (R8). */
  readonly hash: string;
  judgeImport(rows: PackedRowsOf): ImportJudgement;
  /** May the peer hold rows of this origin? Decides what a snapshot contains. */
  mayShip(rows: RowsOf, peer: RegionId): boolean;
  /** Group versions whose rows this region takes from the peer. */
  importable(peer: RegionId): readonly { readonly groupId: string; readonly version: number }[];
}

/** Compiles the policy in force at `nowMs` for the region that knows `state`: pure, default deny, the same for equal input. */
export function compilePolicy(state: MeshState, nowMs: number): CompiledPolicy {
  const placements = new Placements(state);
  const placed = state.groups
    .map(group => ({ group, placement: placements.of(group, nowMs) }))
    .toSorted((a, b) => compareText(a.group.id, b.group.id) || a.group.version - b.group.version);
  const index = new Map(placed.map(entry => [keyOf(entry.group.id, entry.group.version), entry]));
  const opaque = new Set(state.opaqueGroups.map(({ id, version }) => keyOf(id, version)));
  const self = state.region;
  const peers = state.regions
    .map(region => region.id)
    .filter(id => id !== self)
    .toSorted(compareText);
  const links = new Map(peers.map(peer => [peer, compileLink(placed, self, peer)]));
  const feedSubjects = compileFeedSubjects(placed, self, peers);
  const gatewayRules = placed
    .filter(({ placement }) => placement.placement.includes(self))
    .map(({ group, placement }) => ({
      groupId: group.id,
      version: group.version,
      gateways: gatewaySet(placement, self, state).toSorted(compareText),
    }));
  const holds = (rows: RowsOf, region: RegionId): boolean => {
    const entry = index.get(keyOf(rows.groupId, rows.version));
    return entry !== undefined && mayHold(entry.placement, region, rows.origin as RegionId);
  };
  return {
    revision: state.revision,
    ownPolicyEpoch: state.policyEpochs[self] ?? 0,
    feedSubjects,
    links,
    gatewayRules,
    hash: hashOf({ feedSubjects, links: [...links.values()], gatewayRules }),
    judgeImport: rows => {
      const key = keyOf(rows.groupId, rows.version);
      // Of an opaque group nothing comes later that would permit rows, but the group itself.
      const found = index.get(key);
      if (found === undefined) return opaque.has(key) ? 'refuse' : 'unknown';
      if (!holds(rows, self)) return 'refuse';
      return rows.packedBy > found.group.revision ? 'unknown' : 'accept';
    },
    mayShip: holds,
    importable: peer =>
      placed
        .filter(({ placement }) => travels(placement, peer, self))
        .map(({ group }) => ({ groupId: group.id, version: group.version })),
  };
}

interface Placed {
  readonly group: CatalogueGroup;
  readonly placement: GroupPlacement;
}

function keyOf(groupId: string, version: number): string {
  return `${groupId}@${version}`;
}

/** A live export needs both regions in the placement and rows that every placement region holds (A5, A6). */
function travels(placement: GroupPlacement, from: RegionId, to: RegionId): boolean {
  return placement.replicated && mayHold(placement, from, from) && mayHold(placement, to, from);
}

function compileLink(placed: readonly Placed[], self: RegionId, peer: RegionId): CompiledLink {
  const exports = placed
    .filter(({ placement }) => travels(placement, self, peer))
    .map(({ group, placement }) => ({
      groupId: group.id,
      version: group.version,
      schemaHash: group.schemaHash,
      policyEpoch: placement.policyEpoch,
    }));
  return { peer, exports, outSubjects: [...new Set(exports.map(({ groupId }) => outSubject(groupId)))] };
}

/** What FEED accepts: own rows of groups placed here, imports of groups that travel here from that peer, and cursors. */
function compileFeedSubjects(
  placed: readonly Placed[],
  self: RegionId,
  peers: readonly RegionId[],
): readonly string[] {
  // A broker refuses a stream without subjects; the first one matches no message that anyone writes.
  const subjects = new Set([`FEED.${CURSOR_TOKEN}.0.none`, ...peers.map(feedCursorSubject)]);
  for (const { group, placement } of placed) {
    if (!mayHold(placement, self, self)) continue;
    subjects.add(`FEED.${group.id}.${group.version}.own.*`);
    for (const peer of peers) {
      if (travels(placement, peer, self)) subjects.add(feedImportSubject(group.id, group.version, peer));
    }
  }
  return [...subjects].toSorted(compareText);
}

function hashOf(attested: unknown): string {
  return createHash('sha256').update(canonicalJson(attested)).digest('hex');
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
