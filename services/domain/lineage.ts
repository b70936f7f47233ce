import type { Catalogue } from './catalogue-lookup.ts';
import type { CatalogueGroup, CatalogueService } from './feature-group.ts';
import { parseFeatureReference } from './group-reference.ts';
import { MAX_LINEAGE_NODES } from './limits.ts';
import type { MeshState } from './mesh-state.ts';

/** A source, a group version or a service that data comes from or goes to. */
export interface LineageNode {
  readonly kind: 'source' | 'group' | 'service';
  /** `home/name@vN`; of a source its name alone. */
  readonly name: string;
  /** Steps away: 1 is a direct neighbour. */
  readonly distance: number;
  readonly state: 'active' | 'deprecated' | 'retired';
}

/** Where one column comes from, as declared, and the columns and services that use it directly. */
export interface ColumnLineage {
  readonly feature: string;
  readonly from: readonly string[];
  readonly usedBy: readonly string[];
}

/** All that a group version is computed from and all that is computed from it, as far as this region's catalogue shows. */
export interface Lineage {
  readonly upstream: readonly LineageNode[];
  readonly downstream: readonly LineageNode[];
  readonly columns: readonly ColumnLineage[];
  /** True where there are more nodes than `MAX_LINEAGE_NODES` in one direction. */
  readonly truncated: boolean;
}

/** The lineage of one mesh state; build it once per question, it goes through every group and service. */
export class LineageGraph {
  readonly #catalogue: Catalogue;
  readonly #services: readonly CatalogueService[];
  /** Group version → group versions that take it as an input. */
  readonly #dependents = new Map<string, CatalogueGroup[]>();

  constructor(state: MeshState, catalogue: Catalogue) {
    this.#catalogue = catalogue;
    this.#services = newestServices(state.services);
    for (const group of state.groups) {
      for (const input of this.inputsOf(group)) {
        const known = this.#dependents.get(idOf(input)) ?? [];
        this.#dependents.set(idOf(input), [...known, group]);
      }
    }
  }

  /** Groups that a group names as inputs and that are known here, in the declared order. */
  inputsOf({ definition }: CatalogueGroup): readonly CatalogueGroup[] {
    if (definition.inputs === 'external') return [];
    return definition.inputs.flatMap(reference => {
      const found = this.#catalogue.group(reference, definition.homeRegion);
      return found.ok ? [found.value] : [];
    });
  }

  /** Groups and services, in their newest form, that would notice if this group version were gone; retired groups do not count. */
  usersOf(group: CatalogueGroup): readonly string[] {
    const groups = (this.#dependents.get(idOf(group)) ?? []).filter(
      ({ definition }) => definition.state === 'active',
    );
    return [
      ...groups.map(nameOf),
      ...this.#servicesOf(group).map(service => `service ${nameOf(service)}`),
    ].sort();
  }

  /** Everything up and down the stream of a group version. */
  of(group: CatalogueGroup): Lineage {
    const up = walk(group, one => this.inputsOf(one));
    const down = walk(group, one => this.#dependents.get(idOf(one)) ?? []);
    const upstream = [
      ...sourceNodes(group, 1),
      ...up.flatMap(({ group: one, distance }) => [
        groupNode(one, distance),
        ...sourceNodes(one, distance + 1),
      ]),
    ];
    const downstream = [{ group, distance: 0 }, ...down].flatMap(({ group: one, distance }) => [
      ...(distance === 0 ? [] : [groupNode(one, distance)]),
      ...this.#servicesOf(one).map(service => serviceNode(service, distance + 1)),
    ]);
    return {
      upstream: distinct(upstream),
      downstream: distinct(downstream),
      columns: group.definition.features.map(({ name, from = [] }) => ({
        feature: name,
        from,
        usedBy: this.#columnUsers(group, name),
      })),
      truncated: upstream.length > MAX_LINEAGE_NODES || downstream.length > MAX_LINEAGE_NODES,
    };
  }

  /** What a service reads, and all of that one's own origins. */
  ofService(service: CatalogueService): Pick<Lineage, 'upstream' | 'truncated'> {
    const nodes = service.resolved.flatMap(({ groupId, groupVersion }) => {
      const group = this.#catalogue.groupById(groupId, groupVersion);
      if (group === undefined) return [];
      const above = this.of(group).upstream.map(node => ({ ...node, distance: node.distance + 1 }));
      return [groupNode(group, 1), ...above];
    });
    return { upstream: distinct(nodes), truncated: nodes.length > MAX_LINEAGE_NODES };
  }

  #servicesOf(group: CatalogueGroup): readonly CatalogueService[] {
    return this.#services.filter(({ resolved }) => resolved.some(selection => reads(selection, group)));
  }

  #columnUsers(group: CatalogueGroup, feature: string): readonly string[] {
    const columns = (this.#dependents.get(idOf(group)) ?? []).flatMap(dependent =>
      dependent.definition.features
        .filter(({ from = [] }) => from.some(text => this.#means(text, feature, group, dependent)))
        .map(({ name }) => `${nameOf(dependent)}:${name}`),
    );
    const services = this.#servicesOf(group).filter(({ resolved }) =>
      resolved.some(selection => reads(selection, group) && selection.features.includes(feature)),
    );
    return [...columns, ...services.map(service => `service ${nameOf(service)}`)].sort();
  }

  #means(text: string, feature: string, group: CatalogueGroup, dependent: CatalogueGroup): boolean {
    if (parseFeatureReference(text)?.feature !== feature) return false;
    const found = this.#catalogue.group(
      text.slice(0, text.lastIndexOf(':')),
      dependent.definition.homeRegion,
    );
    return found.ok && idOf(found.value) === idOf(group);
  }
}

const idOf = ({ id, version }: CatalogueGroup): string => `${id}@${version}`;

function nameOf({ definition, version }: CatalogueGroup | CatalogueService): string {
  return `${definition.homeRegion}/${definition.name}@v${version}`;
}

function reads(
  selection: { readonly groupId: string; readonly groupVersion: number },
  group: CatalogueGroup,
): boolean {
  return selection.groupId === group.id && selection.groupVersion === group.version;
}

function newestServices(services: readonly CatalogueService[]): readonly CatalogueService[] {
  const newest = new Map<string, CatalogueService>();
  for (const service of services) {
    const key = `${service.definition.homeRegion}/${service.definition.name}`;
    if ((newest.get(key)?.version ?? 0) < service.version) newest.set(key, service);
  }
  return [...newest.values()];
}

/** Breadth first, each group version once, so that a cycle ends; at most one more than the bound, which tells that there are more. */
function walk(
  start: CatalogueGroup,
  next: (group: CatalogueGroup) => readonly CatalogueGroup[],
): readonly { readonly group: CatalogueGroup; readonly distance: number }[] {
  const seen = new Set([idOf(start)]);
  const found: { group: CatalogueGroup; distance: number }[] = [];
  const pending = [{ group: start, distance: 0 }];
  for (
    let at = pending.shift();
    at !== undefined && found.length <= MAX_LINEAGE_NODES;
    at = pending.shift()
  ) {
    for (const group of next(at.group)) {
      if (seen.has(idOf(group))) continue;
      seen.add(idOf(group));
      const step = { group, distance: at.distance + 1 };
      found.push(step);
      pending.push(step);
    }
  }
  return found;
}

function groupNode(group: CatalogueGroup, distance: number): LineageNode {
  const { state, deprecated } = group.definition;
  const shown = state === 'retired' || deprecated === undefined ? state : 'deprecated';
  return { kind: 'group', name: nameOf(group), distance, state: shown };
}

function serviceNode(service: CatalogueService, distance: number): LineageNode {
  const state = service.definition.deprecated === undefined ? 'active' : 'deprecated';
  return { kind: 'service', name: nameOf(service), distance, state };
}

function sourceNodes(group: CatalogueGroup, distance: number): readonly LineageNode[] {
  const { sources = [] } = group.definition;
  return sources.map(({ name }) => ({ kind: 'source', name, distance, state: 'active' }));
}

/** Each once, at its shortest distance, near ones first. */
function distinct(nodes: readonly LineageNode[]): readonly LineageNode[] {
  const nearest = new Map<string, LineageNode>();
  for (const node of nodes) {
    const key = `${node.kind} ${node.name}`;
    if ((nearest.get(key)?.distance ?? Infinity) > node.distance) nearest.set(key, node);
  }
  return [...nearest.values()]
    .toSorted((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    .slice(0, MAX_LINEAGE_NODES);
}
