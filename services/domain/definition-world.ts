import type { Catalogue } from './catalogue-lookup.ts';
import type { DefinitionSet } from './definition-rules.ts';
import type { FeatureGroupDefinition, JoinKey } from './feature-group.ts';
import { parseGroupReference } from './group-reference.ts';
import type { MeshState } from './mesh-state.ts';
import type { Issue } from './problem.ts';
import type { RegionId } from './region-id.ts';

/** The set under judgement together with what is known already; rules look names up here. */
export interface DefinitionWorld {
  readonly set: DefinitionSet;
  readonly known: MeshState;
  readonly catalogue: Catalogue;
  /** Reports one place; `path` is like `featureGroups[0].entities[1]`. */
  readonly report: (path: string, message: string, code?: Issue['code']) => void;
}

/** Reports a region that the mesh does not have; a state without any regions (offline) is not judged. */
export function checkRegion(region: string, path: string, { known, report }: DefinitionWorld): void {
  if (known.regions.length === 0 || known.regions.some(({ id }) => id === region)) return;
  report(path, `${region} is not a region of this mesh (${known.regions.map(({ id }) => id).join(', ')})`);
}

/** Why a group reference cannot be used from definitions of `home`; undefined where it can. */
export function unknownGroup(reference: string, home: RegionId, world: DefinitionWorld): string | undefined {
  const parsed = parseGroupReference(reference);
  if (parsed === undefined)
    return `${JSON.stringify(reference)} is not a group reference ([home/]group[@vN])`;
  if (groupInSet(reference, home, world.set) !== undefined) return undefined;
  const found = world.catalogue.group(reference, home);
  if (found.ok) return undefined;
  if (world.known.regions.length === 0 && parsed.home !== undefined && parsed.home !== home) return undefined;
  return found.problem.detail;
}

/** The group of the set that a reference means, seen from `home`: its own first, then a unique one elsewhere. */
export function groupInSet(
  reference: string,
  home: RegionId,
  set: DefinitionSet,
): FeatureGroupDefinition | undefined {
  const parsed = parseGroupReference(reference);
  const named = set.groups.filter(({ name }) => name === parsed?.name);
  const own = named.find(({ homeRegion }) => homeRegion === (parsed?.home ?? home));
  if (own !== undefined || parsed?.home !== undefined) return own;
  return named.length === 1 ? named[0] : undefined;
}

/** Features and join keys of a group that is referred to. */
interface ReferredSchema {
  readonly features: readonly string[];
  readonly joinKeys: readonly JoinKey[];
}

/** Features and join keys of a referenced group, from the set (as it will be) or the catalogue; undefined offline. */
export function schemaOf(
  reference: string,
  home: RegionId,
  world: DefinitionWorld,
): ReferredSchema | undefined {
  const declared = groupInSet(reference, home, world.set);
  if (declared !== undefined && !reference.includes('@v')) {
    const joinKeys = declared.entities.flatMap(name => {
      const entity =
        world.set.entities.find(candidate => candidate.name === name) ??
        world.catalogue.entity(declared.homeRegion, name);
      return entity?.joinKeys ?? [];
    });
    return { features: declared.features.map(({ name }) => name), joinKeys };
  }
  const found = world.catalogue.group(reference, home);
  if (!found.ok) return undefined;
  return {
    features: found.value.definition.features.map(({ name }) => name),
    joinKeys: found.value.joinKeys,
  };
}
