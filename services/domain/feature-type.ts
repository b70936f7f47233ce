/** Scalars that a feature may have. Join keys take the subset in `JOIN_KEY_TYPES`. */
export const SCALAR_TYPES = [
  'bool',
  'int32',
  'int64',
  'float32',
  'float64',
  'string',
  'bytes',
  'timestamp',
] as const;

/** A scalar's name as written in a definition. */
export type ScalarType = (typeof SCALAR_TYPES)[number];

/** Types of join keys: no floats, no lists; never null (interfaces, definition files). */
export const JOIN_KEY_TYPES = ['string', 'bytes', 'bool', 'int32', 'int64', 'timestamp'] as const;

/** A join key's type. */
export type JoinKeyType = (typeof JOIN_KEY_TYPES)[number];

/** A feature's type: a scalar, a list of scalars (`T[]`), or a vector of float32 (`float32[N]`). */
export type FeatureType =
  | { readonly kind: 'scalar'; readonly scalar: ScalarType }
  | { readonly kind: 'list'; readonly element: ScalarType }
  | { readonly kind: 'vector'; readonly dimensions: number };

/** Longest vector; 4 bytes each, so that a row of one vector stays under 12 KiB. */
const MAX_VECTOR_DIMENSIONS = 2048;

/** Parses the written form (`float64`, `string[]`, `float32[64]`); undefined where it is none of these. */
export function parseFeatureType(text: string): FeatureType | undefined {
  const match = /^([a-z0-9]+)(?:\[(\d*)\])?$/.exec(text);
  const scalar = SCALAR_TYPES.find(name => name === match?.[1]);
  if (match === null || scalar === undefined) return undefined;
  if (match[2] === undefined) return { kind: 'scalar', scalar };
  if (match[2] === '') return { kind: 'list', element: scalar };
  const dimensions = Number(match[2]);
  if (scalar !== 'float32' || dimensions < 1 || dimensions > MAX_VECTOR_DIMENSIONS) return undefined;
  return { kind: 'vector', dimensions };
}

/** The written form of a type; the inverse of `parseFeatureType`. */
export function formatFeatureType(type: FeatureType): string {
  switch (type.kind) {
    case 'scalar':
      return type.scalar;
    case 'list':
      return `${type.element}[]`;
    case 'vector':
      return `float32[${type.dimensions}]`;
  }
}
