import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { CatalogueGroup, CatalogueService } from '@featuremesh/domain/feature-group';
import type { CatalogueEntity, MeshState, OpaqueGroup, RegionInfo } from '@featuremesh/domain/mesh-state';
import type { PolicyRecord } from '@featuremesh/domain/policy';
import { policiesToKeep } from '@featuremesh/domain/policy-rules';
import { arbitrate } from '@featuremesh/domain/registry-mode';
import type { RegistryImage } from './registry-image.ts';

/** The regions that a region's own configuration names: itself, and peers with the keys it trusts. */
export interface RegionRoster {
  readonly self: RegionInfo;
  readonly peers: readonly RegionInfo[];
}

/**
 * Builds the immutable state that decisions rest on. A peer's own announcement completes its addresses; its identity, key
 * and membership come from this region's configuration only. What homes outside the roster told is left out.
 */
export function buildMeshState(image: RegistryImage, roster: RegionRoster, nowMs: number): MeshState {
  const homes = new Set<string>([roster.self.id, ...roster.peers.map(peer => peer.id)]);
  const { standing: entries } = arbitrate([...image.entries.values()].filter(entry => homes.has(entry.home)));
  return {
    revision: image.revision,
    region: roster.self.id,
    regions: regionsOf(entries, roster),
    groups: groupsOf(entries),
    opaqueGroups: opaqueGroupsOf(entries),
    services: servicesOf(entries),
    entities: entitiesOf(entries),
    policies: policiesOf(entries, nowMs),
    policyEpochs: highestEpochs(entries),
    policyConfirmedAtMs: image.confirmedAtMs,
  };
}

function regionsOf(entries: readonly CatalogueEntry[], roster: RegionRoster): readonly RegionInfo[] {
  const told = new Map<string, RegionInfo>();
  for (const entry of entries) if (entry.kind === 'region') told.set(entry.home, entry.region);
  const peers = roster.peers.map(peer => completed(peer, told.get(peer.id)));
  return [roster.self, ...peers].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

function completed(configured: RegionInfo, told: RegionInfo | undefined): RegionInfo {
  if (told === undefined) return configured;
  return {
    id: configured.id,
    publicKey: configured.publicKey,
    jurisdiction: configured.jurisdiction || told.jurisdiction,
    cloud: told.cloud || configured.cloud,
    publicUrl: told.publicUrl || configured.publicUrl,
    publicGatewayUrl: told.publicGatewayUrl || configured.publicGatewayUrl,
  };
}

function groupsOf(entries: readonly CatalogueEntry[]): readonly CatalogueGroup[] {
  const groups = entries.flatMap(entry => (entry.kind === 'group' ? [entry.group] : []));
  return groups.sort((a, b) => byText(groupSortText(a), groupSortText(b)) || a.version - b.version);
}

function opaqueGroupsOf(entries: readonly CatalogueEntry[]): readonly OpaqueGroup[] {
  const groups = entries.flatMap(entry => (entry.kind === 'opaque-group' ? [entry.group] : []));
  return groups.sort((a, b) => byText(a.id, b.id) || a.version - b.version);
}

const groupSortText = (group: CatalogueGroup): string =>
  `${group.definition.homeRegion}/${group.definition.name}`;

/** Every version; lookups take the newest where none is named. */
function servicesOf(entries: readonly CatalogueEntry[]): readonly CatalogueService[] {
  const services = entries.flatMap(entry => (entry.kind === 'service' ? [entry.service] : []));
  const text = (service: CatalogueService) => `${service.definition.homeRegion}/${service.definition.name}`;
  return services.sort((a, b) => byText(text(a), text(b)) || a.version - b.version);
}

function entitiesOf(entries: readonly CatalogueEntry[]): readonly CatalogueEntity[] {
  const entities = entries.flatMap(entry => (entry.kind === 'entity' ? [entry.entity] : []));
  const text = (entity: CatalogueEntity) => `${entity.homeRegion}/${entity.definition.name}`;
  return entities.sort((a, b) => byText(text(a), text(b)));
}

/** What is in force or will be by time alone: an approved loosening of a later date does not replace its predecessor yet. */
function policiesOf(entries: readonly CatalogueEntry[], nowMs: number): readonly PolicyRecord[] {
  const records = entries.flatMap(entry => (entry.kind === 'policy' ? [entry.policy] : []));
  const text = ({ document }: PolicyRecord) => `${document.home}/${document.name}`;
  return policiesToKeep(records, nowMs).toSorted(
    (a, b) => byText(text(a), text(b)) || a.document.version - b.document.version,
  );
}

function highestEpochs(entries: readonly CatalogueEntry[]): Readonly<Record<string, number>> {
  const epochs: Record<string, number> = {};
  for (const entry of entries)
    if (entry.kind === 'policy') epochs[entry.home] = Math.max(epochs[entry.home] ?? 0, entry.policy.epoch);
  return epochs;
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
