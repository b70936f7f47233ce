import { Catalogue } from './catalogue-lookup.ts';
import { inputCycles } from './definition-cycles.ts';
import { checkRegion, type DefinitionWorld, unknownGroup } from './definition-world.ts';
import type {
  EntityDefinition,
  FeatureGroupDefinition,
  FeatureServiceDefinition,
  JoinKey,
} from './feature-group.ts';
import { governanceIssues, lineageIssues } from './governance-rules.ts';
import { QUALIFIED_NAME, SIMPLE_NAME } from './group-reference.ts';
import { MAX_GROUP_FEATURES } from './limits.ts';
import type { MeshState } from './mesh-state.ts';
import type { Issue } from './problem.ts';
import type { RegionId } from './region-id.ts';
import { serviceIssues } from './service-rules.ts';

/** What one or more definition files declare, parsed: the unit of `validate`, `plan` and `apply`. */
export interface DefinitionSet {
  readonly entities: readonly EntityDefinition[];
  readonly groups: readonly FeatureGroupDefinition[];
  readonly services: readonly FeatureServiceDefinition[];
}

/** A state that knows nothing, for `fmesh validate` without a region: then regions and qualified references elsewhere are not judged. */
export const NOTHING_KNOWN: MeshState = {
  revision: 0,
  region: '-' as RegionId,
  regions: [],
  groups: [],
  opaqueGroups: [],
  services: [],
  entities: [],
  policies: [],
  policyEpochs: {},
  policyConfirmedAtMs: {},
};

/**
 * Everything that is wrong with a set, judged together with what is known already; empty where it may be applied.
 * Paths are `entities[i]…`, `featureGroups[i]…`, `featureServices[i]…` with positions in the set.
 */
export function validateDefinitions(set: DefinitionSet, known: MeshState): Issue[] {
  const issues: Issue[] = [];
  const world: DefinitionWorld = {
    set,
    known,
    catalogue: new Catalogue(known),
    report: (path, message, code) => issues.push({ path, message, ...(code === undefined ? {} : { code }) }),
  };
  duplicates(set.entities, 'entities', entity => entity.name, world);
  duplicates(set.groups, 'featureGroups', ({ homeRegion, name }) => `${homeRegion}/${name}`, world);
  duplicates(set.services, 'featureServices', ({ homeRegion, name }) => `${homeRegion}/${name}`, world);
  for (const [i, entity] of set.entities.entries()) entityIssues(entity, `entities[${i}]`, world);
  for (const [i, group] of set.groups.entries()) groupIssues(group, `featureGroups[${i}]`, world);
  for (const [i, service] of set.services.entries()) serviceIssues(service, `featureServices[${i}]`, world);
  for (const { at, cycle } of inputCycles(set.groups, world.catalogue)) {
    world.report(
      `featureGroups[${at}].inputs`,
      `the inputs form a cycle: ${cycle.join(' → ')}`,
      'DEFINITION_CYCLE',
    );
  }
  return issues;
}

function duplicates<T>(
  items: readonly T[],
  list: string,
  key: (item: T) => string,
  world: DefinitionWorld,
): void {
  const seen = new Map<string, number>();
  for (const [i, item] of items.entries()) {
    const first = seen.get(key(item));
    if (first !== undefined)
      world.report(`${list}[${i}].name`, `${key(item)} is declared twice, first at ${list}[${first}]`);
    else seen.set(key(item), i);
  }
}

function repeated(
  names: readonly string[],
  path: (i: number) => string,
  what: string,
  world: DefinitionWorld,
): void {
  for (const [i, name] of names.entries()) {
    if (names.indexOf(name) < i) world.report(path(i), `${what} ${name} is given twice`);
  }
}

function entityIssues(entity: EntityDefinition, path: string, world: DefinitionWorld): void {
  const { report } = world;
  if (!SIMPLE_NAME.test(entity.name)) report(`${path}.name`, nameRule('an entity', false));
  if (entity.joinKeys.length === 0) report(`${path}.joinKeys`, 'at least one join key is needed');
  repeated(
    entity.joinKeys.map(({ name }) => name),
    i => `${path}.joinKeys[${i}].name`,
    'the join key',
    world,
  );
  for (const [i, key] of entity.joinKeys.entries()) {
    if (!SIMPLE_NAME.test(key.name)) report(`${path}.joinKeys[${i}].name`, nameRule('a join key', false));
    if (key.role === 'region' && key.type !== 'string') {
      report(`${path}.joinKeys[${i}].type`, 'a join key with role region is a string: the name of a region');
    }
  }
  const regionKeys = entity.joinKeys.filter(({ role }) => role === 'region');
  if (regionKeys.length > 1) {
    report(`${path}.joinKeys`, `at most one join key has role region, not ${names(regionKeys)}`);
  }
}

function groupIssues(group: FeatureGroupDefinition, path: string, world: DefinitionWorld): void {
  const { report } = world;
  if (!QUALIFIED_NAME.test(group.name)) report(`${path}.name`, nameRule('a feature group', true));
  checkRegion(group.homeRegion, `${path}.homeRegion`, world);
  if (group.sync.regions.length === 0)
    report(`${path}.sync.regions`, 'names no region; leave it out for the home region');
  for (const [i, region] of group.sync.regions.entries())
    checkRegion(region, `${path}.sync.regions[${i}]`, world);
  governanceIssues(group, path, world);
  if (group.retentionMs !== undefined && group.maxAgeMs !== undefined && group.retentionMs < group.maxAgeMs) {
    report(`${path}.retention`, 'is shorter than maxAge: rows would be gone while they may still be served');
  }
  const joinKeys = entityKeys(group, path, world);
  featureIssues(group, joinKeys, path, world);
  inputIssues(group, path, world);
  lineageIssues(group, path, world);
}

/** Join keys of the group's entities; reports unknown entities, clashes, and more than one region key. */
function entityKeys(group: FeatureGroupDefinition, path: string, world: DefinitionWorld): readonly JoinKey[] {
  const { report } = world;
  if (group.entities.length === 0) report(`${path}.entity`, 'at least one entity is needed');
  repeated(group.entities, i => `${path}.entities[${i}]`, 'the entity', world);
  const joinKeys: JoinKey[] = [];
  for (const [i, name] of group.entities.entries()) {
    const entity =
      world.set.entities.find(candidate => candidate.name === name) ??
      world.catalogue.entity(group.homeRegion, name);
    if (entity === undefined) {
      report(
        group.entities.length === 1 ? `${path}.entity` : `${path}.entities[${i}]`,
        `there is no entity ${name}`,
      );
      continue;
    }
    for (const key of entity.joinKeys) {
      if (group.entities.indexOf(name) === i && joinKeys.some(known => known.name === key.name)) {
        report(`${path}.entities[${i}]`, `the join key ${key.name} belongs to two of the entities`);
      }
    }
    joinKeys.push(...entity.joinKeys);
  }
  const regionKeys = joinKeys.filter(({ role }) => role === 'region');
  if (regionKeys.length > 1)
    report(`${path}.entities`, `more than one join key has role region: ${names(regionKeys)}`);
  return joinKeys;
}

function featureIssues(
  group: FeatureGroupDefinition,
  joinKeys: readonly JoinKey[],
  path: string,
  world: DefinitionWorld,
): void {
  const { features } = group;
  if (features.length === 0) world.report(`${path}.features`, 'at least one feature is needed');
  if (features.length > MAX_GROUP_FEATURES) {
    world.report(`${path}.features`, `${features.length} features; the limit is ${MAX_GROUP_FEATURES}`);
  }
  repeated(
    features.map(({ name }) => name),
    i => `${path}.features[${i}].name`,
    'the feature',
    world,
  );
  for (const [i, { name }] of features.entries()) {
    if (!SIMPLE_NAME.test(name)) world.report(`${path}.features[${i}].name`, nameRule('a feature', false));
    if (joinKeys.some(key => key.name === name)) {
      world.report(`${path}.features[${i}].name`, `${name} is a join key of the group as well`);
    }
  }
}

function inputIssues(group: FeatureGroupDefinition, path: string, world: DefinitionWorld): void {
  if (group.inputs === 'external') return;
  repeated(group.inputs, i => `${path}.inputs[${i}]`, 'the input', world);
  for (const [i, reference] of group.inputs.entries()) {
    const message = unknownGroup(reference, group.homeRegion, world);
    if (message !== undefined) world.report(`${path}.inputs[${i}]`, message);
  }
}

function nameRule(what: string, team: boolean): string {
  return `${what}'s name is [a-z][a-z0-9_]{0,62}${team ? ', optionally after a `team.` prefix' : ''}`;
}

function names(keys: readonly JoinKey[]): string {
  return keys.map(({ name }) => name).join(', ');
}
