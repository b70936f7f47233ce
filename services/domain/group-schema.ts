import { canonicalJson } from './canonical-json.ts';
import type { FeatureDefinition, JoinKey } from './feature-group.ts';
import { formatFeatureType } from './feature-type.ts';

/** The canonical text of a schema, to be hashed: join keys and features with types and nullability, without descriptions. */
export function schemaText(joinKeys: readonly JoinKey[], features: readonly FeatureDefinition[]): string {
  return canonicalJson({
    joinKeys: joinKeys
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, type, role }) => ({ name, type, ...(role === undefined ? {} : { role }) })),
    features: features.map(({ name, type, nullable }) => ({ name, type: formatFeatureType(type), nullable })),
  });
}

/** What a change of a group's features means: nothing for the rows, a revision, or a new version; reasons name the features. */
export interface SchemaChange {
  readonly kind: 'same' | 'revision' | 'version';
  readonly reasons: readonly string[];
}

/**
 * Judges a change of features (A9). Compatible, hence a revision: a nullable feature added anywhere, the order changed,
 * a required feature made nullable. All else (removed, renamed, retyped, made required, added as required) needs a version.
 */
export function compatibility(
  old: readonly FeatureDefinition[],
  next: readonly FeatureDefinition[],
): SchemaChange {
  const before = new Map(old.map(feature => [feature.name, feature]));
  const after = new Map(next.map(feature => [feature.name, feature]));
  const breaking: string[] = [];
  const compatible: string[] = [];
  for (const feature of old)
    if (!after.has(feature.name)) breaking.push(`feature ${feature.name} is removed`);
  for (const feature of next) {
    const known = before.get(feature.name);
    if (known === undefined) {
      if (feature.nullable) compatible.push(`nullable feature ${feature.name} is added`);
      else breaking.push(`feature ${feature.name} is added and not nullable, which older rows cannot have`);
      continue;
    }
    const [from, to] = [formatFeatureType(known.type), formatFeatureType(feature.type)];
    if (from !== to) breaking.push(`feature ${feature.name} changes from ${from} to ${to}`);
    if (known.nullable && !feature.nullable) breaking.push(`feature ${feature.name} becomes required`);
    if (!known.nullable && feature.nullable) compatible.push(`feature ${feature.name} becomes nullable`);
  }
  if (breaking.length > 0) return { kind: 'version', reasons: [...breaking, ...compatible] };
  if (compatible.length === 0 && old.some((feature, i) => next[i]?.name !== feature.name)) {
    compatible.push('the order of features changes');
  }
  return { kind: compatible.length > 0 ? 'revision' : 'same', reasons: compatible };
}

/** Whether the join keys changed in any way: always a new version, because they are the rows' identity. */
export function joinKeyChanges(old: readonly JoinKey[], next: readonly JoinKey[]): readonly string[] {
  const text = (key: JoinKey) => `${key.name} ${key.type}${key.role === undefined ? '' : ' role region'}`;
  const [before, after] = [new Set(old.map(text)), new Set(next.map(text))];
  return [
    ...[...before].filter(key => !after.has(key)).map(key => `join key ${key} is removed`),
    ...[...after].filter(key => !before.has(key)).map(key => `join key ${key} is added`),
  ];
}
