import type { DefinitionSet } from './definition-rules.ts';
import type { RegionId } from './region-id.ts';

/**
 * The part of a set that each home region must accept: its groups and services, and the entities that its groups use.
 * Entities that no group of the set uses go to `fallbackHome`.
 */
export function definitionsByHome(
  set: DefinitionSet,
  fallbackHome: RegionId,
): ReadonlyMap<RegionId, DefinitionSet> {
  const homes = new Set<RegionId>([...set.groups, ...set.services].map(({ homeRegion }) => homeRegion));
  const used = new Set(set.groups.flatMap(({ entities }) => entities));
  if (set.entities.some(({ name }) => !used.has(name))) homes.add(fallbackHome);
  return new Map(
    [...homes].toSorted().map(home => {
      const groups = set.groups.filter(({ homeRegion }) => homeRegion === home);
      const needed = new Set(groups.flatMap(({ entities }) => entities));
      return [
        home,
        {
          entities: set.entities.filter(
            ({ name }) => needed.has(name) || (home === fallbackHome && !used.has(name)),
          ),
          groups,
          services: set.services.filter(({ homeRegion }) => homeRegion === home),
        },
      ];
    }),
  );
}
