import { formatDuration } from './duration.ts';
import type { Deprecation, FeatureDefinition, FeatureGroupDefinition, JoinKey } from './feature-group.ts';
import { formatFeatureType } from './feature-type.ts';

/**
 * What a change of a definition means for rows (A9): `compatible` keeps them and all who read and write; `data` keeps the version,
 * but some rows or values go, are withheld or are refused; `version` needs a new version, which starts empty.
 */
export const CHANGE_EFFECTS = ['compatible', 'data', 'version'] as const;

/** One of the three effects. */
export type ChangeEffect = (typeof CHANGE_EFFECTS)[number];

/** One line of the difference between two definitions of a group. */
export interface GroupChange {
  readonly effect: ChangeEffect;
  /** What changes, naming features, keys and values: `maxAge 36h → 12h`. */
  readonly what: string;
  /** What follows for rows, readers and writers. */
  readonly follows: string;
}

/** A definition with what its entities make of it: keys, and whether rows are about persons. */
export interface DefinedGroup {
  readonly definition: FeatureGroupDefinition;
  readonly joinKeys: readonly JoinKey[];
  readonly subject: boolean;
}

/** Every difference between two definitions of one group, what needs a new version first; empty where they are equal. */
export function groupChanges(before: DefinedGroup, after: DefinedGroup): readonly GroupChange[] {
  const [old, next] = [before.definition, after.definition];
  const changes = [
    ...keyChanges(before, after),
    ...featureChanges(old.features, next.features),
    ...ageChanges(old, next),
    ...syncChanges(old, next),
    ...ownerChanges(old, next),
  ];
  if (before.subject !== after.subject) {
    const what = after.subject ? 'rows are about persons from now on' : 'rows are no longer about persons';
    changes.push(compatible(what, 'audit and erasure follow'));
  }
  return changes.toSorted((a, b) => CHANGE_EFFECTS.indexOf(b.effect) - CHANGE_EFFECTS.indexOf(a.effect));
}

/** The strongest effect of all changes; `same` where there is none. */
export function strongestEffect(changes: readonly GroupChange[]): ChangeEffect | 'same' {
  return (
    CHANGE_EFFECTS.toReversed().find(effect => changes.some(change => change.effect === effect)) ?? 'same'
  );
}

const NEEDS_VERSION = 'needs a new version, which starts empty';

function compatible(what: string, follows: string): GroupChange {
  return { effect: 'compatible', what, follows };
}

function version(what: string): GroupChange {
  return { effect: 'version', what, follows: NEEDS_VERSION };
}

function data(what: string, follows: string): GroupChange {
  return { effect: 'data', what, follows };
}

/** Keys and entities are the rows' identity: any change of them needs a version. */
function keyChanges(before: DefinedGroup, after: DefinedGroup): readonly GroupChange[] {
  const text = (key: JoinKey) => `${key.name} ${key.type}${key.role === undefined ? '' : ' role region'}`;
  const [old, next] = [before.joinKeys.map(text), after.joinKeys.map(text)];
  const [was, is] = [before.definition.entities, after.definition.entities];
  return [
    ...old.filter(key => !next.includes(key)).map(key => version(`join key ${key} is removed`)),
    ...next.filter(key => !old.includes(key)).map(key => version(`join key ${key} is added`)),
    ...was.filter(name => !is.includes(name)).map(name => version(`entity ${name} is removed`)),
    ...is.filter(name => !was.includes(name)).map(name => version(`entity ${name} is added`)),
  ];
}

/** Compatible: a nullable feature added anywhere, another order, a required feature made nullable. All else needs a version. */
function featureChanges(
  old: readonly FeatureDefinition[],
  next: readonly FeatureDefinition[],
): readonly GroupChange[] {
  const before = new Map(old.map(feature => [feature.name, feature]));
  const kept = new Set(next.map(({ name }) => name));
  const changes = old
    .filter(({ name }) => !kept.has(name))
    .map(({ name }) => version(`feature ${name} is removed`));
  for (const feature of next) changes.push(...oneFeature(before.get(feature.name), feature));
  const order = (features: readonly FeatureDefinition[], other: ReadonlySet<string>) =>
    features
      .map(({ name }) => name)
      .filter(name => other.has(name))
      .join();
  if (order(old, kept) !== order(next, new Set(before.keys()))) {
    changes.push(compatible('the order of features changes', 'rows keep the order of their revision'));
  }
  return changes;
}

function oneFeature(
  known: FeatureDefinition | undefined,
  feature: FeatureDefinition,
): readonly GroupChange[] {
  const { name, nullable } = feature;
  const type = formatFeatureType(feature.type);
  if (known === undefined) {
    return nullable
      ? [
          compatible(
            `nullable feature ${name} ${type} is added`,
            'rows written before answer NULL_VALUE for it',
          ),
        ]
      : [version(`feature ${name} ${type} is added and not nullable, which older rows cannot have`)];
  }
  const changes: GroupChange[] = [];
  const was = formatFeatureType(known.type);
  if (was !== type) changes.push(version(`feature ${name} changes from ${was} to ${type}`));
  if (known.nullable && !nullable)
    changes.push(version(`feature ${name} becomes required, which older rows may lack`));
  if (!known.nullable && nullable)
    changes.push(compatible(`feature ${name} becomes nullable`, 'readers may now see NULL_VALUE'));
  if (known.description !== feature.description)
    changes.push(compatible(`the description of feature ${name} changes`, NOTHING_FOLLOWS));
  if (known.from?.join() !== feature.from?.join())
    changes.push(compatible(`what feature ${name} is computed from changes`, NOTHING_FOLLOWS));
  return changes;
}

const NOTHING_FOLLOWS = 'rows are not concerned';

function ageChanges(old: FeatureGroupDefinition, next: FeatureGroupDefinition): readonly GroupChange[] {
  const changes: GroupChange[] = [];
  const shown = (ms: number | undefined) => (ms === undefined ? 'none' : formatDuration(ms));
  const arrow = (was: number | undefined, is: number | undefined) => `${shown(was)} → ${shown(is)}`;
  const shorter = (was: number | undefined, is: number | undefined) => (is ?? Infinity) < (was ?? Infinity);
  if (old.maxAgeMs !== next.maxAgeMs) {
    const what = `maxAge ${arrow(old.maxAgeMs, next.maxAgeMs)}`;
    changes.push(
      shorter(old.maxAgeMs, next.maxAgeMs)
        ? data(what, `values older than ${shown(next.maxAgeMs)} are withheld as OUTSIDE_MAX_AGE at once`)
        : compatible(what, 'older values are served again'),
    );
  }
  if (old.retentionMs !== next.retentionMs) {
    const what = `retention ${arrow(old.retentionMs, next.retentionMs)}`;
    changes.push(
      shorter(old.retentionMs, next.retentionMs)
        ? data(what, `rows older than ${shown(next.retentionMs)} leave the online store, for good`)
        : compatible(what, 'rows that are gone already do not come back'),
    );
  }
  return changes;
}

function syncChanges(old: FeatureGroupDefinition, next: FeatureGroupDefinition): readonly GroupChange[] {
  const changes: GroupChange[] = [];
  const [was, is] = [old.sync, next.sync];
  const gone = was.regions.filter(region => !is.regions.includes(region) && region !== next.homeRegion);
  const come = is.regions.filter(region => !was.regions.includes(region));
  if (was.mode !== is.mode) {
    const what = `sync mode ${was.mode} → ${is.mode}`;
    changes.push(
      is.mode === 'local'
        ? data(what, 'regions no longer receive each other’s rows; copies that they hold stay and grow old')
        : compatible(what, 'rows are copied where policy permits it as well'),
    );
  }
  if (gone.length > 0) {
    const what = `sync regions ${gone.join(', ')} removed`;
    changes.push(data(what, 'their tables are dropped; rows that only they hold are lost'));
  }
  if (come.length > 0) {
    const follows = 'rows may be accepted and held there where policy permits it as well';
    changes.push(compatible(`sync regions ${come.join(', ')} added`, follows));
  }
  return changes;
}

function ownerChanges(old: FeatureGroupDefinition, next: FeatureGroupDefinition): readonly GroupChange[] {
  const changes: GroupChange[] = [];
  const list = (values: readonly string[] = []) => values.join(', ') || 'none';
  const member = (name: string, was: string, is: string, follows = NOTHING_FOLLOWS) => {
    if (was !== is) changes.push(compatible(`${name} ${was} → ${is}`, follows));
  };
  const inputs = ({ inputs: of }: FeatureGroupDefinition) => (of === 'external' ? of : list(of));
  if (inputs(old) !== inputs(next))
    changes.push(data(`inputs ${inputs(old)} → ${inputs(next)}`, 'placement follows the inputs'));
  member('sources', list(old.sources?.map(({ name }) => name)), list(next.sources?.map(({ name }) => name)));
  member('owner', old.owner ?? 'none', next.owner ?? 'none');
  member('team', old.team ?? 'none', next.team ?? 'none');
  member('tags', list(old.tags), list(next.tags), 'policies that select by tag follow');
  if (old.description !== next.description)
    changes.push(compatible('the description changes', NOTHING_FOLLOWS));
  if (deprecationText(old.deprecated) !== deprecationText(next.deprecated))
    changes.push(
      compatible(deprecationText(next.deprecated), 'rows are accepted and read until it is retired'),
    );
  if (old.state !== next.state)
    changes.push(
      next.state === 'retired'
        ? data('the group is retired', 'no more rows are accepted or read; they stay until they are purged')
        : compatible('the group is active again', 'rows are accepted and read again'),
    );
  return changes;
}

/** A deprecation in one line, as plans, listings and records of changes show it. */
export function deprecationText(deprecated: Deprecation | undefined): string {
  if (deprecated === undefined) return 'not deprecated';
  const { since, successor, reason } = deprecated;
  const instead = successor === undefined ? '' : `, use ${successor}`;
  return `deprecated since ${since}${instead}${reason === undefined ? '' : ` (${reason})`}`;
}
