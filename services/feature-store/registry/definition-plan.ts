import { isDeepStrictEqual } from 'node:util';
import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { Catalogue } from '@featuremesh/domain/catalogue-lookup';
import { type DefinitionSet, validateDefinitions } from '@featuremesh/domain/definition-rules';
import type {
  CatalogueGroup,
  EntityDefinition,
  FeatureGroupDefinition,
} from '@featuremesh/domain/feature-group';
import type { GroupChange } from '@featuremesh/domain/group-changes';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { placementOf } from '@featuremesh/domain/placement';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { planGroup } from './group-plan.ts';
import { planService } from './service-plan.ts';

/** What happens to one definition; `version` starts empty, `revision` keeps the rows. */
export type DefinitionAction = 'create' | 'version' | 'revision' | 'update' | 'retire' | 'unchanged';

/** One line of a plan. */
export interface PlannedDefinition {
  readonly kind: 'entity' | 'group' | 'service';
  readonly name: string;
  readonly action: DefinitionAction;
  readonly version?: number;
  readonly revision?: number;
  /** Why it is this action, and what follows; empty for what is new or unchanged. */
  readonly changes: readonly GroupChange[];
  /** Regions of the owner's wish that policy does not permit; sync happens where both meet. */
  readonly refusedRegions?: readonly RegionId[];
  /** Regions that will hold rows. */
  readonly placement?: readonly RegionId[];
}

/** What applying a set would do to the registry, made for one revision of the state. */
export interface DefinitionPlan {
  readonly revision: number;
  readonly changes: readonly PlannedDefinition[];
  /** What to commit; sequences are given by the registry. */
  readonly entries: readonly CatalogueEntry[];
  /** The state as it will be. */
  readonly after: MeshState;
}

/** Inputs of a plan beside the set and the state. */
export interface PlanContext {
  readonly nowMs: number;
  /** Draws a new opaque id: 16 base32 characters. */
  readonly newId: () => string;
}

/**
 * Plans a set of definitions against a state; pure but for the ids it draws. Problems: INVALID_DEFINITION with issues,
 * DEFINITION_CYCLE, NOT_HOME naming the home, NOT_YET_SUPPORTED, EMPTY_PLACEMENT. What the set omits stays as it is.
 */
export function planDefinitions(
  set: DefinitionSet,
  state: MeshState,
  context: PlanContext,
): Result<DefinitionPlan> {
  const refused = notHome(set, state) ?? invalid(set, state) ?? unsupported(set);
  if (refused !== undefined) return fail(refused);
  const changes: PlannedDefinition[] = [];
  const entries: CatalogueEntry[] = [];
  let after = state;
  const take = (entry: CatalogueEntry): void => {
    entries.push(entry);
    after = withEntry(after, entry);
  };

  for (const entity of set.entities) {
    const change = planEntity(entity, after);
    changes.push(change);
    if (change.action !== 'unchanged')
      take({
        kind: 'entity',
        home: state.region,
        sequence: 0,
        entity: { homeRegion: state.region, definition: entity },
      });
  }
  for (const definition of [...set.groups, ...groupsTouched(set, state)]) {
    const planned = planGroup(definition, after, context);
    for (const group of planned.groups) take({ kind: 'group', home: state.region, sequence: 0, group });
    changes.push(planned.change);
  }
  for (const definition of set.services) {
    const planned = planService(definition, after, context);
    if (!planned.ok) return planned;
    if (planned.value.service !== undefined)
      take({ kind: 'service', home: state.region, sequence: 0, service: planned.value.service });
    changes.push(planned.value.change);
  }
  const empty = emptied(state, after, context.nowMs);
  if (empty !== undefined) return fail(empty);
  return ok({
    revision: state.revision,
    changes: changes.map(change => withPlacement(change, after, context.nowMs)),
    entries,
    after,
  });
}

function notHome(set: DefinitionSet, state: MeshState): Problem | undefined {
  const foreign = [...set.groups, ...set.services].find(definition => definition.homeRegion !== state.region);
  if (foreign === undefined) return undefined;
  const home = state.regions.find(({ id }) => id === foreign.homeRegion);
  return problem('NOT_HOME', `${foreign.name} is at home in ${foreign.homeRegion}, this is ${state.region}`, {
    extra: { home: foreign.homeRegion, ...(home === undefined ? {} : { publicUrl: home.publicUrl }) },
  });
}

function invalid(set: DefinitionSet, state: MeshState): Problem | undefined {
  const issues = validateDefinitions(set, state);
  if (issues.length === 0) return undefined;
  const cycle = issues.some(({ code }) => code === 'DEFINITION_CYCLE');
  return problem(
    cycle ? 'DEFINITION_CYCLE' : 'INVALID_DEFINITION',
    `${issues.length} ${issues.length === 1 ? 'place is' : 'places are'} not valid`,
    { issues },
  );
}

function unsupported(set: DefinitionSet): Problem | undefined {
  const issues = set.groups.flatMap(({ sync }, index) =>
    sync.mode === 'local' || sync.mode === 'active-active'
      ? []
      : [{ path: `featureGroups[${index}].sync.mode`, message: `${sync.mode} is not supported yet` }],
  );
  if (issues.length === 0) return undefined;
  return problem('NOT_YET_SUPPORTED', 'the set asks for a sync mode that is not supported yet', { issues });
}

function planEntity(definition: EntityDefinition, state: MeshState): PlannedDefinition {
  const known = new Catalogue(state).entity(state.region, definition.name);
  const base = { kind: 'entity', name: definition.name } as const;
  if (known === undefined) return { ...base, action: 'create', changes: [] };
  if (isDeepStrictEqual(known, definition)) return { ...base, action: 'unchanged', changes: [] };
  const what = 'the entity is described otherwise';
  const follows = 'its groups follow; other join keys are a new version of each';
  return { ...base, action: 'update', changes: [{ effect: 'compatible', what, follows }] };
}

/** Groups of this home that the set does not name but whose entity it changes: their keys may become others. */
function groupsTouched(set: DefinitionSet, state: MeshState): readonly FeatureGroupDefinition[] {
  const catalogue = new Catalogue(state);
  const changed = new Set(
    set.entities.filter(entity => planEntity(entity, state).action === 'update').map(({ name }) => name),
  );
  const named = new Set(set.groups.map(({ name }) => name));
  const newest = new Map<string, CatalogueGroup>();
  for (const group of state.groups) {
    const { homeRegion, name, entities } = group.definition;
    if (homeRegion !== state.region || named.has(name) || !entities.some(entity => changed.has(entity)))
      continue;
    newest.set(name, catalogue.versions(homeRegion, name).at(-1) ?? group);
  }
  return [...newest.values()].map(({ definition }) => definition);
}

function withEntry(state: MeshState, entry: CatalogueEntry): MeshState {
  switch (entry.kind) {
    case 'entity': {
      const { definition, homeRegion } = entry.entity;
      const others = state.entities.filter(
        known => known.homeRegion !== homeRegion || known.definition.name !== definition.name,
      );
      return { ...state, entities: [...others, entry.entity] };
    }
    case 'group': {
      const { id, version } = entry.group;
      const others = state.groups.filter(known => known.id !== id || known.version !== version);
      return { ...state, groups: [...others, entry.group] };
    }
    case 'service':
      return { ...state, services: [...state.services, entry.service] };
    case 'region':
    case 'opaque-group':
    case 'policy':
    case 'registry-mode':
    case 'take-over':
    case 'view':
      return state;
  }
}

function emptied(before: MeshState, after: MeshState, nowMs: number): Problem | undefined {
  const known = new Map(before.groups.map(group => [`${group.id}/${group.version}`, group]));
  const empty = after.groups.find(group => {
    if (placementOf(group, after, nowMs).placement.length > 0) return false;
    const previous = known.get(`${group.id}/${group.version}`);
    return previous === undefined || placementOf(previous, before, nowMs).placement.length > 0;
  });
  if (empty === undefined) return undefined;
  return problem(
    'EMPTY_PLACEMENT',
    `no region may hold rows of ${empty.definition.name}: what policy allows and what sync.regions asks do not meet`,
    { extra: { allowed: placementOf(empty, after, nowMs).allowed, wished: empty.definition.sync.regions } },
  );
}

function withPlacement(change: PlannedDefinition, after: MeshState, nowMs: number): PlannedDefinition {
  if (change.kind !== 'group') return change;
  const group = new Catalogue(after).versions(after.region, change.name).at(-1);
  if (group === undefined) return change;
  const { placement } = placementOf(group, after, nowMs);
  const refusedRegions = group.definition.sync.regions.filter(region => !placement.includes(region));
  return { ...change, placement, refusedRegions };
}
