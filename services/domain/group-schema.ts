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
