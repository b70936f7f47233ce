import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Catalogue } from '@featuremesh/domain/catalogue-lookup';
import type {
  CatalogueGroup,
  FeatureGroupDefinition,
  GroupId,
  JoinKey,
} from '@featuremesh/domain/feature-group';
import { type GroupChange, groupChanges, strongestEffect } from '@featuremesh/domain/group-changes';
import { schemaText } from '@featuremesh/domain/group-schema';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { nextRetentionFloorMs } from '@featuremesh/domain/retention';
import type { PlanContext, PlannedDefinition } from './definition-plan.ts';

/** Hex digits of a schema hash: the first 16 bytes of the SHA-256. */
const SCHEMA_HASH_DIGITS = 32;

/** A group's line of the plan and the catalogue groups to write: its own, and other versions that change with it. */
export interface PlannedGroup {
  readonly change: PlannedDefinition;
  readonly groups: readonly CatalogueGroup[];
}

/**
 * Plans one group whose definition was validated: a new id for a new name, a revision where old rows stay readable, else a
 * new version that starts empty while `production` stays where it is (A9). What is of the group as a whole changes in all versions.
 */
export function planGroup(
  definition: FeatureGroupDefinition,
  state: MeshState,
  context: PlanContext,
): PlannedGroup {
  const versions = new Catalogue(state).versions(definition.homeRegion, definition.name);
  const newest = versions.at(-1);
  const keys = keysOf(definition, state);
  if (newest === undefined) return created(definition, keys, context);
  const changes = changesOf(newest, definition, keys);
  const effect = strongestEffect(changes);
  if (effect === 'same') {
    const { version, revision } = newest;
    return {
      change: { kind: 'group', name: definition.name, action: 'unchanged', version, revision, changes },
      groups: [],
    };
  }
  const older = versions
    .slice(0, -1)
    .map(group => governedAs(group, newest.definition, definition))
    .filter(group => group !== undefined);
  const planned =
    effect === 'version'
      ? newVersion(definition, keys, newest, changes)
      : newRevision(definition, keys, newest, { changes, nowMs: context.nowMs });
  return { ...planned, groups: [...planned.groups, ...older] };
}

function changesOf(
  newest: CatalogueGroup,
  definition: FeatureGroupDefinition,
  keys: Keys,
): readonly GroupChange[] {
  const changes = groupChanges(newest, { definition, ...keys });
  if (newest.purged === true && definition.state === 'active') {
    const what = `v${newest.version} was retired and its rows deleted: it is not opened again`;
    return [...changes, { effect: 'version', what, follows: 'a new version, which starts empty' }];
  }
  if (changes.length > 0 || isDeepStrictEqual(newest.definition, definition)) return changes;
  const what = 'the definition is written otherwise';
  return [{ effect: 'compatible', what, follows: 'rows are not concerned' }];
}

interface Keys {
  readonly joinKeys: readonly JoinKey[];
  readonly subject: boolean;
}

function keysOf(definition: FeatureGroupDefinition, state: MeshState): Keys {
  const catalogue = new Catalogue(state);
  const entities = definition.entities.flatMap(name => {
    const entity = catalogue.entity(definition.homeRegion, name);
    return entity === undefined ? [] : [entity];
  });
  const joinKeys = new Map(entities.flatMap(entity => entity.joinKeys.map(key => [key.name, key])));
  return {
    joinKeys: [...joinKeys.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    subject: entities.some(({ subject }) => subject),
  };
}

function created(definition: FeatureGroupDefinition, keys: Keys, context: PlanContext): PlannedGroup {
  const group: CatalogueGroup = {
    id: context.newId() as GroupId,
    version: 1,
    revision: 1,
    schemaHash: schemaHash(keys.joinKeys, definition),
    definition,
    ...keys,
    revisions: [definition.features],
    aliases: ['production', 'latest'],
  };
  return {
    change: {
      kind: 'group',
      name: definition.name,
      action: 'create',
      version: 1,
      revision: 1,
      changes: [],
    },
    groups: [group],
  };
}

function newVersion(
  definition: FeatureGroupDefinition,
  keys: Keys,
  newest: CatalogueGroup,
  changes: readonly GroupChange[],
): PlannedGroup {
  const version = newest.version + 1;
  const group: CatalogueGroup = {
    id: newest.id,
    version,
    revision: 1,
    schemaHash: schemaHash(keys.joinKeys, definition),
    definition,
    ...keys,
    revisions: [definition.features],
    aliases: ['latest'],
  };
  const governed = governedAs(newest, newest.definition, definition) ?? newest;
  const before = { ...governed, aliases: newest.aliases.filter(alias => alias !== 'latest') };
  return {
    change: {
      kind: 'group',
      name: definition.name,
      action: 'version',
      version,
      revision: 1,
      changes,
    },
    // The alias is gained before it is lost, so that a region which hears of one after the other never has none.
    groups: [group, before],
  };
}

/** A step that keeps the rows; it is immutable too, so a change of max age or description is a revision like any other. */
function newRevision(
  definition: FeatureGroupDefinition,
  keys: Keys,
  newest: CatalogueGroup,
  { changes, nowMs }: { readonly changes: readonly GroupChange[]; readonly nowMs: number },
): PlannedGroup {
  const revision = newest.revision + 1;
  const floorMs = nextRetentionFloorMs(newest, definition.retentionMs, nowMs);
  const group: CatalogueGroup = {
    ...newest,
    ...keys,
    ...(floorMs === undefined ? {} : { retentionFloorMs: floorMs }),
    revision,
    schemaHash: schemaHash(keys.joinKeys, definition),
    definition,
    revisions: [...newest.revisions, definition.features],
  };
  const retires = definition.state === 'retired' && newest.definition.state !== 'retired';
  return {
    change: {
      kind: 'group',
      name: definition.name,
      action: retires ? 'retire' : 'revision',
      version: newest.version,
      revision,
      changes,
    },
    groups: [group],
  };
}

/** Members that are of the group as a whole, whatever the version. */
const OF_THE_GROUP = ['description', 'owner', 'team', 'tags', 'deprecated', 'state'] as const;

/** An older version with the members of the group that a change touches; undefined where that leaves it as it is. */
function governedAs(
  group: CatalogueGroup,
  before: FeatureGroupDefinition,
  after: FeatureGroupDefinition,
): CatalogueGroup | undefined {
  const changed = OF_THE_GROUP.filter(
    member =>
      !isDeepStrictEqual(before[member], after[member]) && !(member === 'state' && group.purged === true),
  );
  const definition = { ...group.definition };
  for (const member of changed) delete (definition as Partial<FeatureGroupDefinition>)[member];
  const members = changed.filter(member => after[member] !== undefined);
  const governed = Object.assign(definition, Object.fromEntries(members.map(name => [name, after[name]])));
  if (isDeepStrictEqual(governed, group.definition)) return undefined;
  return {
    ...group,
    definition: governed,
    revision: group.revision + 1,
    revisions: [...group.revisions, governed.features],
  };
}

function schemaHash(joinKeys: readonly JoinKey[], { features }: FeatureGroupDefinition): string {
  return createHash('sha256')
    .update(schemaText(joinKeys, features))
    .digest('hex')
    .slice(0, SCHEMA_HASH_DIGITS);
}
