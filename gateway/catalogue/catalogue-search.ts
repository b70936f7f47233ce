import type { CatalogueGroup, CatalogueService } from '@featuremesh/domain/feature-group';
import type { MeshView } from './mesh-view.ts';

interface Described {
  readonly name: string;
  readonly homeRegion: string;
}

/** The groups that a listing shows: of each (home, name) the production version, else the newest. */
export function listedGroups(view: MeshView): readonly CatalogueGroup[] {
  return newestByName(view.state.groups, group => group.aliases.includes('production'));
}

/** The services that a listing shows: of each (home, name) the newest version. */
export function listedServices(view: MeshView): readonly CatalogueService[] {
  return newestByName(view.state.services, () => false);
}

/** The sort key of listings: unique per (name, home). */
export function listingKey({ definition }: { readonly definition: Described }): string {
  return `${definition.name} ${definition.homeRegion}`;
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
