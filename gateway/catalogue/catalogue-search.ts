import type { CatalogueGroup, CatalogueService } from '@featuremesh/domain/feature-group';
import type { MeshView } from './mesh-view.ts';

/** What every filter of the catalogue may hold; absent members do not restrict. Values are compared as written, `text` and `nameContains` without case. */
export interface CatalogueFilter {
  readonly homeRegion?: string | null;
  readonly name?: string | null;
  readonly nameContains?: string | null;
  readonly owner?: string | null;
  readonly tag?: string | null;
  readonly entity?: string | null;
  readonly text?: string | null;
}

interface Described {
  readonly name: string;
  readonly homeRegion: string;
  readonly owner?: string;
  readonly description?: string;
  readonly tags: readonly string[];
}

/** The groups that a listing shows: of each (home, name) the production version, else the newest. */
export function listedGroups(view: MeshView): readonly CatalogueGroup[] {
  return newestByName(view.state.groups, group => group.aliases.includes('production'));
}

/** The services that a listing shows: of each (home, name) the newest version. */
export function listedServices(view: MeshView): readonly CatalogueService[] {
  return newestByName(view.state.services, () => false);
}

/** Whether a group fits a filter; `text` looks into name, description, owner, tags, entities and features. */
export function groupFits(group: CatalogueGroup, filter: CatalogueFilter): boolean {
  const { definition } = group;
  return (
    describedFits(definition, filter) &&
    (filter.entity == null || definition.entities.includes(filter.entity)) &&
    textFits(filter.text, [
      ...textsOf(definition),
      ...definition.entities,
      ...definition.features.flatMap(feature => [feature.name, feature.description ?? '']),
    ])
  );
}

/** Whether a service fits a filter. */
export function serviceFits({ definition }: CatalogueService, filter: CatalogueFilter): boolean {
  return describedFits(definition, filter) && textFits(filter.text, textsOf(definition));
}

/** The sort key of listings: unique per (name, home). */
export function listingKey({ definition }: { readonly definition: Described }): string {
  return `${definition.name} ${definition.homeRegion}`;
}

function describedFits(definition: Described, filter: CatalogueFilter): boolean {
  return (
    (filter.homeRegion == null || definition.homeRegion === filter.homeRegion) &&
    (filter.name == null || definition.name === filter.name) &&
    (filter.owner == null || definition.owner === filter.owner) &&
    (filter.tag == null || definition.tags.includes(filter.tag)) &&
    textFits(filter.nameContains, [definition.name])
  );
}

function textsOf(definition: Described): readonly string[] {
  return [definition.name, definition.description ?? '', definition.owner ?? '', ...definition.tags];
}

function textFits(wanted: string | null | undefined, texts: readonly string[]): boolean {
  if (wanted == null) return true;
  const lower = wanted.toLowerCase();
  return texts.some(text => text.toLowerCase().includes(lower));
}

function newestByName<T extends { readonly version: number; readonly definition: Described }>(
  items: readonly T[],
  preferred: (item: T) => boolean,
): readonly T[] {
  const best = new Map<string, T>();
  for (const item of items) {
    const key = listingKey(item);
    const known = best.get(key);
    const better =
      known === undefined ||
      (preferred(item) !== preferred(known) ? preferred(item) : item.version > known.version);
    if (better) best.set(key, item);
  }
  return [...best.values()];
}
