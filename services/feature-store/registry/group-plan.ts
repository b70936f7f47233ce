import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Catalogue } from '@featuremesh/domain/catalogue-lookup';
import type {
  CatalogueGroup,
  FeatureGroupDefinition,
  GroupId,
  JoinKey,
} from '@featuremesh/domain/feature-group';
import { compatibility, joinKeyChanges, schemaText } from '@featuremesh/domain/group-schema';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { PlanContext, PlannedDefinition } from './definition-plan.ts';

/** Hex digits of a schema hash: the first 16 bytes of the SHA-256. */
const SCHEMA_HASH_DIGITS = 32;

/** A group's line of the plan and the catalogue groups to write: its own, and the version that loses `latest`. */
export interface PlannedGroup {
  readonly change: PlannedDefinition;
  readonly groups: readonly CatalogueGroup[];
}

/**
 * Plans one group whose definition was validated: a new id for a new name, a revision where old rows stay readable, else a
 * new version that starts empty while `production` stays where it is (A9).
 */
export function planGroup(
  definition: FeatureGroupDefinition,
  state: MeshState,
  context: PlanContext,
): PlannedGroup {
  const newest = new Catalogue(state).versions(definition.homeRegion, definition.name).at(-1);
  const keys = keysOf(definition, state);
  if (newest === undefined) return created(definition, keys, context);
  const keyChanges = joinKeyChanges(newest.joinKeys, keys.joinKeys);
  const schema = compatibility(newest.definition.features, definition.features);
  const reasons = [...keyChanges, ...schema.reasons];
  if (keyChanges.length > 0 || schema.kind === 'version')
    return newVersion(definition, keys, newest, reasons);
  const same = isDeepStrictEqual(newest.definition, definition) && newest.subject === keys.subject;
  if (same) {
    const { version, revision } = newest;
    return {
      change: { kind: 'group', name: definition.name, action: 'unchanged', version, revision, reasons: [] },
      groups: [],
    };
  }
  return newRevision(definition, keys, newest, reasons);
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
      reasons: [],
    },
    groups: [group],
  };
}

function newVersion(
  definition: FeatureGroupDefinition,
  keys: Keys,
  newest: CatalogueGroup,
  reasons: readonly string[],
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
  const before = { ...newest, aliases: newest.aliases.filter(alias => alias !== 'latest') };
  return {
    change: {
      kind: 'group',
      name: definition.name,
      action: 'version',
      version,
      revision: 1,
      reasons,
    },
    groups: [before, group],
  };
}

/** A step that keeps the rows; it is immutable too, so a change of max age or description is a revision like any other. */
function newRevision(
  definition: FeatureGroupDefinition,
  keys: Keys,
  newest: CatalogueGroup,
  schemaReasons: readonly string[],
): PlannedGroup {
  const revision = newest.revision + 1;
  const group: CatalogueGroup = {
    ...newest,
    ...keys,
    revision,
    schemaHash: schemaHash(keys.joinKeys, definition),
    definition,
    revisions: [...newest.revisions, definition.features],
  };
  const retires = definition.state === 'retired' && newest.definition.state !== 'retired';
  const { version } = newest;
  return {
    change: {
      kind: 'group',
      name: definition.name,
      action: retires ? 'retire' : 'revision',
      version,
      revision,
      reasons: [...schemaReasons, ...changedMembers(newest.definition, definition)],
    },
    groups: [group],
  };
}

function changedMembers(before: FeatureGroupDefinition, after: FeatureGroupDefinition): readonly string[] {
  const members = [
    'description',
    'owner',
    'tags',
    'inputs',
    'maxAgeMs',
    'retentionMs',
    'sync',
    'state',
  ] as const;
  return members
    .filter(member => !isDeepStrictEqual(before[member], after[member]))
    .map(member => `${member} changes`);
}

function schemaHash(joinKeys: readonly JoinKey[], { features }: FeatureGroupDefinition): string {
  return createHash('sha256')
    .update(schemaText(joinKeys, features))
    .digest('hex')
    .slice(0, SCHEMA_HASH_DIGITS);
}
