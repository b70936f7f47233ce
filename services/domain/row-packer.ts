import { ERRORS } from './error-catalogue.ts';
import type { FeatureDefinition } from './feature-group.ts';
import { formatFeatureType } from './feature-type.ts';
import { MAX_ROW_BYTES } from './limits.ts';
import {
  ROW_FLAG_DELETED,
  ROW_HEADER_BYTES,
  ROW_OFFSETS,
  type RowTimes,
  writeRowConstants,
  writeRowTimes,
} from './packed-row.ts';
import { type PayloadLayout, payloadLayout } from './payload-layout.ts';
import { problem } from './problem.ts';
import type { RegionId } from './region-id.ts';
import { fail, ok, type Result } from './result.ts';
import { type ValueFault, ValueWriter } from './value-writer.ts';

/** How values that JSON cannot hold are treated; `null` stores the whole value as null where it is nullable. */
export interface PackOptions {
  readonly nonFinite: 'refuse' | 'null';
}

/** Values of one row by feature name, as parsed from JSON. */
export type FeatureValues = Readonly<Record<string, unknown>>;

/**
 * Packs rows of one group revision at their origin (format version 1). One instance reuses one buffer, so it must not be shared
 * between threads; the returned rows are copies.
 */
export class RowPacker {
  readonly #features: readonly FeatureDefinition[];
  readonly #layout: PayloadLayout;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #writer: ValueWriter;
  readonly #names: ReadonlySet<string>;
  /** Names such as `constructor` that every object seems to have. */
  readonly #inherited: readonly boolean[];

  constructor(features: readonly FeatureDefinition[], revision: number, origin: RegionId) {
    this.#features = features;
    this.#layout = payloadLayout(features);
    this.#bytes = new Uint8Array(Math.max(MAX_ROW_BYTES, ROW_HEADER_BYTES + this.#layout.variableAt));
    this.#view = new DataView(this.#bytes.buffer);
    this.#writer = new ValueWriter(this.#bytes, MAX_ROW_BYTES);
    this.#names = new Set(features.map(feature => feature.name));
    this.#inherited = features.map(feature => feature.name in Object.prototype);
    writeRowConstants(this.#bytes, origin, revision);
  }

  /**
   * One packed row. An omitted nullable feature is null. Problems: REQUIRED_FEATURE, UNKNOWN_FEATURE, INVALID_VALUE,
   * INT64_PRECISION, NON_FINITE, ROW_TOO_LARGE; they name the feature, never its value.
   */
  pack(times: RowTimes, values: FeatureValues, options: PackOptions): Result<Uint8Array> {
    const { slots, endsAt, variableAt } = this.#layout;
    const bytes = this.#bytes;
    const firstVariable = ROW_HEADER_BYTES + variableAt;
    if (firstVariable > MAX_ROW_BYTES) return this.#refuse('ROW_TOO_LARGE', 0);
    bytes.fill(0, ROW_HEADER_BYTES, firstVariable);
    let end = firstVariable;
    let given = 0;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i];
      if (slot === undefined) break;
      const value =
        this.#inherited[i] === true && !Object.hasOwn(values, slot.name) ? undefined : values[slot.name];
      if (value !== undefined) given++;
      let absent = value === undefined || value === null;
      if (!absent) {
        const outcome: number | ValueFault | undefined =
          slot.variable < 0
            ? this.#writer.fixed(slot.kind, ROW_HEADER_BYTES + slot.fixedAt, value, slot.dimensions)
            : this.#writer.variable(slot.kind, slot.element, end, value);
        if (typeof outcome === 'number') end = outcome;
        else if (outcome === 'NON_FINITE' && options.nonFinite === 'null') absent = true;
        else if (outcome !== undefined) return this.#refuse(outcome, i);
      }
      if (absent) {
        if (!slot.nullable) return this.#refuse('REQUIRED_FEATURE', i);
        const bit = ROW_HEADER_BYTES + (i >> 3);
        bytes[bit] = (bytes[bit] ?? 0) | (1 << (i & 7));
        // A refused vector may have left bytes behind; equal rows must be equal bytes.
        if (value !== undefined && slot.dimensions > 0) this.#clear(slot.fixedAt, 4 * slot.dimensions);
      }
      if (slot.variable >= 0)
        this.#view.setUint32(ROW_HEADER_BYTES + endsAt + 4 * slot.variable, end - firstVariable, true);
    }
    if (given < countMembers(values)) {
      const unknown = this.#firstUnknown(values);
      if (unknown)
        return fail(problem('UNKNOWN_FEATURE', 'the row names a feature that the group does not have'));
    }
    writeRowTimes(times, bytes, this.#view);
    return ok(bytes.slice(0, end));
  }

  /** A logical deletion: a header without payload. */
  packDeletion(times: RowTimes): Uint8Array {
    writeRowTimes(times, this.#bytes, this.#view);
    const row = this.#bytes.slice(0, ROW_HEADER_BYTES);
    row[ROW_OFFSETS.flags] = ROW_FLAG_DELETED;
    return row;
  }

  #clear(fixedAt: number, bytes: number): void {
    this.#bytes.fill(0, ROW_HEADER_BYTES + fixedAt, ROW_HEADER_BYTES + fixedAt + bytes);
  }

  /** Members that are undefined count as omitted. */
  #firstUnknown(values: FeatureValues): boolean {
    return Object.keys(values).some(name => values[name] !== undefined && !this.#names.has(name));
  }

  #refuse(code: ValueFault | 'REQUIRED_FEATURE', index: number): Result<Uint8Array> {
    const feature = this.#features[index];
    if (feature === undefined || code === 'ROW_TOO_LARGE') return fail(problem(code, ERRORS[code].title));
    const wanted =
      code === 'INVALID_VALUE' ? ` must be ${formatFeatureType(feature.type)}` : `: ${ERRORS[code].title}`;
    return fail(problem(code, `feature ${feature.name}${wanted}`));
  }
}

function countMembers(values: FeatureValues): number {
  let count = 0;
  for (const name in values) if (name !== undefined) count++;
  return count;
}
