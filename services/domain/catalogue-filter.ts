import type { CatalogueGroup, CatalogueService, Governance } from './feature-group.ts';
import type { RegionId } from './region-id.ts';

/** What every filter of the catalogue may hold; absent members do not restrict. Values are compared as written, `text` and `nameContains` without case. */
export interface CatalogueFilter {
  readonly homeRegion?: string | null;
  readonly name?: string | null;
  readonly nameContains?: string | null;
  readonly owner?: string | null;
  readonly team?: string | null;
  readonly tag?: string | null;
  readonly entity?: string | null;
  /** A region that holds rows of the group. */
  readonly region?: string | null;
  readonly text?: string | null;
}

type Described = Governance & { readonly name: string; readonly homeRegion: RegionId };

/** Whether a group fits a filter; `text` looks into name, description, owner, team, tags, entities, sources and features. */
export function groupFits(
  group: CatalogueGroup,
  filter: CatalogueFilter,
  placement: () => readonly string[],
): boolean {
  const { definition } = group;
  return (
    describedFits(definition, filter) &&
    (filter.entity == null || definition.entities.includes(filter.entity)) &&
    textFits(filter.text, [
      ...textsOf(definition),
      ...definition.entities,
      ...[...definition.features, ...(definition.sources ?? [])].flatMap(({ name, description }) => [
        name,
        description ?? '',
      ]),
    ]) &&
    (filter.region == null || placement().includes(filter.region))
  );
}

/** Whether a service fits a filter. Filters by entity or region fit no service. */
export function serviceFits({ definition }: CatalogueService, filter: CatalogueFilter): boolean {
  if (filter.entity != null || filter.region != null) return false;
  return describedFits(definition, filter) && textFits(filter.text, textsOf(definition));
}

function describedFits(definition: Described, filter: CatalogueFilter): boolean {
  return (
    (filter.homeRegion == null || definition.homeRegion === filter.homeRegion) &&
    (filter.name == null || definition.name === filter.name) &&
    (filter.owner == null || definition.owner === filter.owner) &&
    (filter.team == null || definition.team === filter.team) &&
    (filter.tag == null || definition.tags.includes(filter.tag)) &&
    textFits(filter.nameContains, [definition.name])
  );
}

function textsOf({ name, description = '', owner = '', team = '', tags }: Described): readonly string[] {
  return [name, description, owner, team, ...tags];
}

function textFits(wanted: string | null | undefined, texts: readonly string[]): boolean {
  if (wanted == null) return true;
  const lower = wanted.toLowerCase();
  return texts.some(text => text.toLowerCase().includes(lower));
}
