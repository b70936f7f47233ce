import type { CatalogueGroup, CatalogueService } from '@featuremesh/domain/feature-group';
import { formatFeatureType } from '@featuremesh/domain/feature-type';
import { type GroupPlacement, mayHold } from '@featuremesh/domain/placement';
import type { MeshView } from '../catalogue/mesh-view.ts';

/** What building nodes depends on. */
export interface NodeContext {
  readonly view: MeshView;
  readonly nowMs: number;
}

/** A group's reference in a `FeatureSlice`: its opaque id with the version that keys the rows. */
export function sliceGroup(group: Pick<CatalogueGroup, 'id' | 'version'>): string {
  return `${group.id}@v${group.version}`;
}

/** The regions that hold rows of a group, each with whether it holds other regions' rows as well; none once they were purged. */
function slicesOf(group: CatalogueGroup, placement: GroupPlacement) {
  return placement.placement
    .filter(region => mayHold(placement, region, region))
    .map(region => ({ region, group: sliceGroup(group), replica: placement.replicated }));
}

function placementNode(placement: GroupPlacement) {
  return {
    allowed: placement.allowed,
    regions: placement.placement,
    rows: placement.rows,
    replicated: placement.replicated,
    egress: placement.egress,
    readerJurisdictions: placement.readers.jurisdictions,
    readerPurposes: placement.readers.purposes,
    maxPolicyAgeMs: placement.maxPolicyAgeMs,
    policyEpoch: placement.policyEpoch,
  };
}

/** A group as GraphQL's `FeatureGroup`; references to other parts of the catalogue are functions, resolved only where asked for. */
export function groupNode(group: CatalogueGroup, context: NodeContext): Readonly<Record<string, unknown>> {
  const { definition } = group;
  const { view, nowMs } = context;
  return {
    id: group.id,
    homeRegion: definition.homeRegion,
    name: definition.name,
    version: group.version,
    revision: group.revision,
    owner: definition.owner,
    team: definition.team,
    tags: definition.tags,
    deprecated: definition.deprecated,
    description: definition.description,
    features: () =>
      definition.features.map(feature => ({ ...feature, type: formatFeatureType(feature.type) })),
    maxAgeMs: definition.maxAgeMs,
    syncMode: definition.sync.mode,
    state: definition.state,
    entities: () =>
      definition.entities
        .map(name => view.catalogue.entity(definition.homeRegion, name))
        .filter(entity => entity !== undefined),
    placement: () => placementNode(view.placements.of(group, nowMs)),
    inputs: () => inputsOf(group, context),
    services: () => servicesOf(group, context),
    slices: () => slicesOf(group, view.placements.of(group, nowMs)),
  };
}

/** A service as GraphQL's `FeatureService`, with the group versions that it froze. */
export function serviceNode(
  service: CatalogueService,
  context: NodeContext,
): Readonly<Record<string, unknown>> {
  const { definition } = service;
  return {
    id: service.id,
    homeRegion: definition.homeRegion,
    name: definition.name,
    version: service.version,
    owner: definition.owner,
    team: definition.team,
    tags: definition.tags,
    deprecated: definition.deprecated,
    description: definition.description,
    selections: () =>
      service.resolved.map(selection => ({
        group: () => {
          const group = context.view.catalogue.groupById(selection.groupId, selection.groupVersion);
          return group === undefined ? null : groupNode(group, context);
        },
        as: selection.as,
        features: selection.features,
        keys: selection.keys,
      })),
  };
}

/** Inputs that this region's catalogue knows; one that policy hides here is left out. */
function inputsOf(group: CatalogueGroup, context: NodeContext) {
  const { inputs, homeRegion } = group.definition;
  if (inputs === 'external') return [];
  return inputs
    .map(reference => context.view.catalogue.group(reference, homeRegion))
    .flatMap(found => (found.ok ? [groupNode(found.value, context)] : []));
}

function servicesOf(group: CatalogueGroup, context: NodeContext) {
  return context.view.state.services
    .filter(service => service.resolved.some(selection => selection.groupId === group.id))
    .map(service => serviceNode(service, context));
}
