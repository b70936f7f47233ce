import { assert } from './assert.ts';
import type { FeatureDefinition } from './feature-group.ts';
import type { FeatureType, ScalarType } from './feature-type.ts';

/** Types as small integers, so that packing and decoding switch on a number. Never stored. */
export const VALUE_KINDS = {
  bool: 0,
  int32: 1,
  int64: 2,
  float32: 3,
  float64: 4,
  timestamp: 5,
  string: 6,
  bytes: 7,
  vector: 8,
  list: 9,
} as const;

/** Bytes of the fixed-width scalars; strings and bytes have none. */
const SCALAR_BYTES: Readonly<Record<ScalarType, number | undefined>> = {
  bool: 1,
  int32: 4,
  int64: 8,
  float32: 4,
  float64: 8,
  timestamp: 8,
  string: undefined,
  bytes: undefined,
};

/** Where one feature lies in a payload. */
export interface FeatureSlot {
  readonly name: string;
  readonly nullable: boolean;
  /** A value of `VALUE_KINDS`. */
  readonly kind: number;
  /** Kind of a list's elements; −1 otherwise. */
  readonly element: number;
  /** Dimensions of a vector; 0 otherwise. */
  readonly dimensions: number;
  /** Offset in the payload of a fixed-width value, or −1. */
  readonly fixedAt: number;
  /** Width of a fixed-width value; 0 otherwise. */
  readonly fixedBytes: number;
  /** Ordinal among the variable-width features, or −1. */
  readonly variable: number;
}

/** A schema's payload: null bitmap, fixed-width values in schema order, end offsets of the variable ones, their bytes. */
export interface PayloadLayout {
  readonly slots: readonly FeatureSlot[];
  /** Offset of the first end offset (4 bytes each, little-endian, counted from `variableAt`). */
  readonly endsAt: number;
  /** Offset of the first variable-width byte: the length of a payload whose variable values are empty. */
  readonly variableAt: number;
}

/** Lays out the payload of a schema; offsets are from the payload's start, in bytes. */
export function payloadLayout(features: readonly FeatureDefinition[]): PayloadLayout {
  let fixedAt = Math.ceil(features.length / 8);
  let variable = 0;
  const slots = features.map((feature): FeatureSlot => {
    const bytes = fixedBytes(feature.type);
    const slot = {
      name: feature.name,
      nullable: feature.nullable,
      kind: kindOf(feature.type),
      element: feature.type.kind === 'list' ? VALUE_KINDS[feature.type.element] : -1,
      dimensions: feature.type.kind === 'vector' ? feature.type.dimensions : 0,
      fixedAt: bytes === undefined ? -1 : fixedAt,
      fixedBytes: bytes ?? 0,
      variable: bytes === undefined ? variable : -1,
    };
    if (bytes === undefined) variable++;
    else fixedAt += bytes;
    return slot;
  });
  assert(
    new Set(features.map(feature => feature.name)).size === features.length,
    'feature names are distinct',
  );
  return { slots, endsAt: fixedAt, variableAt: fixedAt + 4 * variable };
}

function fixedBytes(type: FeatureType): number | undefined {
  if (type.kind === 'vector') return 4 * type.dimensions;
  return type.kind === 'scalar' ? SCALAR_BYTES[type.scalar] : undefined;
}

function kindOf(type: FeatureType): number {
  return type.kind === 'scalar' ? VALUE_KINDS[type.scalar] : VALUE_KINDS[type.kind];
}
