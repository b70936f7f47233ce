import { createHash } from 'node:crypto';
import { canonicalJson } from '@featuremesh/domain/canonical-json';
import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { type GroupPlacement, gatewaySet, mayHold, Placements } from '@featuremesh/domain/placement';
import type { RegionId } from '@featuremesh/domain/region-id';
import {
  CURSOR_TOKEN,
  feedImportSubject,
  feedOwnSubject,
  heldSubject,
  outSubject,
} from '@featuremesh/domain/subjects';
import type {
  CompiledPolicy,
  CompiledVersion,
  ExportRule,
  GatewayRule,
  ImportRule,
  ImportVersion,
} from './compiled-policy.ts';

interface Placed {
  readonly group: CatalogueGroup;
  readonly placement: GroupPlacement;
}

/**
 * Turns a mesh state into everything that region `self` enforces at `nowMs`: pure, default deny, and equal (same hash) for equal
 * input in any order. A live export needs both regions in the placement and rows that are replicated (A5, A6).
 */
export function compile(state: MeshState, self: RegionId, nowMs: number): CompiledPolicy {
  const placements = new Placements(state);
  const placed = state.groups
    .map(group => ({ group, placement: placements.of(group, nowMs) }))
    .toSorted((a, b) => compareText(a.group.id, b.group.id) || a.group.version - b.group.version);
  const peers = state.regions.map(region => region.id).filter(region => region !== self);
  const links = peers.toSorted().map(peer => {
    const exports = exportRules(placed, self, peer);
    const subjects = exports.map(rule => outSubject(rule.groupId));
    return { peer, exports, outSubjects: subjects, relayPublish: subjects };
  });
  const imports = peers
    .toSorted()
    .map(peer => ({ peer, groups: importRules(placed, { self, peer, state }) }));
  const here = placed.filter(({ placement }) => mayHold(placement, self, self));
  const rules = {
    self,
    feedSubjects: [
      `FEED.${CURSOR_TOKEN}.0.in.*`,
      ...here.map(({ group }) => feedOwnSubject(group.id, group.version, 0).replace(/0$/, '*')),
      ...imports.flatMap(({ peer, groups }) =>
        groups.flatMap(({ groupId, versions }) =>
          versions.map(({ version }) => feedImportSubject(groupId, version, peer)),
        ),
      ),
    ],
    heldSubjects: [
      ...new Set(imports.flatMap(({ groups }) => groups.map(({ groupId }) => heldSubject(groupId, '*')))),
    ].toSorted(),
    links,
    imports,
    gatewayRules: here.map(({ group, placement }) => gatewayRule(group, placement, { self, state })),
  };
  return { ...rules, revision: state.revision, hash: hashOf(rules) };
}

function exportRules(placed: readonly Placed[], self: RegionId, peer: RegionId): readonly ExportRule[] {
  const travelling = placed.filter(
    ({ placement }) =>
      placement.replicated && mayHold(placement, self, self) && mayHold(placement, peer, self),
  );
  return byGroup(travelling).map(versions => ({
    groupId: versions[0].group.id,
    versions: versions.map(({ group }) => compiledVersion(group)),
    policyEpoch: versions[0].placement.policyEpoch,
  }));
}

function importRules(
  placed: readonly Placed[],
  { self, peer, state }: { self: RegionId; peer: RegionId; state: MeshState },
): readonly ImportRule[] {
  const arriving = placed.filter(
    ({ placement }) =>
      placement.replicated && mayHold(placement, peer, peer) && mayHold(placement, self, peer),
  );
  return byGroup(arriving).map(versions => ({
    groupId: versions[0].group.id,
    versions: versions.map(
      ({ group, placement }): ImportVersion => ({
        ...compiledVersion(group),
        origins: state.regions
          .map(region => region.id)
          .filter(origin => mayHold(placement, self, origin))
          .toSorted(),
      }),
    ),
    policyEpoch: versions[0].placement.policyEpoch,
  }));
}

function gatewayRule(
  group: CatalogueGroup,
  placement: GroupPlacement,
  { self, state }: { self: RegionId; state: MeshState },
): GatewayRule {
  return {
    groupId: group.id,
    version: group.version,
    regions: gatewaySet(placement, self, state).toSorted(),
  };
}

/** Neighbours with one id become one list; the input is sorted by id and version. */
function byGroup(placed: readonly Placed[]): readonly (readonly [Placed, ...Placed[]])[] {
  const groups: [Placed, ...Placed[]][] = [];
  for (const one of placed) {
    const last = groups.at(-1);
    if (last?.[0].group.id === one.group.id) last.push(one);
    else groups.push([one]);
  }
  return groups;
}

function compiledVersion(group: CatalogueGroup): CompiledVersion {
  return { version: group.version, schemaHash: group.schemaHash };
}

function hashOf(rules: Omit<CompiledPolicy, 'hash' | 'revision'>): string {
  return createHash('sha256').update(canonicalJson(rules)).digest('hex');
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
