import type { EntityDefinition, FeatureGroupDefinition, FeatureServiceDefinition } from './feature-group.ts';
import type { MeshState } from './mesh-state.ts';
import type { Issue } from './problem.ts';

/** What one or more definition files declare, parsed: the unit of `validate`, `plan` and `apply`. */
export interface DefinitionSet {
  readonly entities: readonly EntityDefinition[];
  readonly groups: readonly FeatureGroupDefinition[];
  readonly services: readonly FeatureServiceDefinition[];
}

/**
 * Everything that is wrong with a set, judged together with what is known already; empty where it may be applied.
 * Paths are `entities[i]…`, `featureGroups[i]…`, `featureServices[i]…` with positions in the set.
 */
export function validateDefinitions(_defs: DefinitionSet, _known: MeshState): Issue[] {
  return [];
}
