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
import { type PayloadLayout, payloadLayout, VALUE_KINDS } from './payload-layout.ts';
import { problem } from './problem.ts';
import type { RegionId } from './region-id.ts';
import { fail, ok, type Result } from './result.ts';
import { type ValueFault, ValueWriter } from './value-writer.ts';

/** How values that JSON cannot hold are treated; `null` stores the whole value as null where it is nullable. */
export interface PackOptions {
  readonly nonFinite: 'refuse' | 'null';
}

/** Values of one row by feature name, as parsed from JSON: own enumerable members only. */
export type FeatureValues = Readonly<Record<string, unknown>>;

/** Rows are cut from slabs of this size: allocating each by itself costs more than packing it. */
const SLAB_BYTES = 16 * MAX_ROW_BYTES;

/**
 * Packs rows of one group revision at their origin (format version 1). Rows are views of a shared slab, which they
 * keep alive: copy one that is held for long. Not to be shared between threads.
 */
export class RowPacker {
  readonly #features: readonly FeatureDefinition[];
  readonly #layout: PayloadLayout;
  readonly #writer = new ValueWriter();
  /** Header bytes that all rows share. */
  readonly #constants: DataView;
  readonly #slots: ReadonlyMap<string, number>;
  /** The members of the last row in their order, and the slot of each: rows of one writer nearly always agree. */
  readonly #memberNames: string[] = [];
  readonly #memberSlots: number[] = [];
  /** The values of the row at hand, in schema order. */
  readonly #values: unknown[];
  #slab = new Uint8Array();
  #view = new DataView(this.#slab.buffer);
  #start = 0;

  constructor(features: readonly FeatureDefinition[], revision: number, origin: RegionId) {
    this.#features = features;
    this.#layout = payloadLayout(features);
    this.#slots = new Map(features.map((feature, i) => [feature.name, i]));
    this.#values = features.map(() => undefined);
    const constants = new Uint8Array(ROW_HEADER_BYTES);
    writeRowConstants(constants, origin, revision);
    this.#constants = new DataView(constants.buffer);
  }

  /**
   * One packed row. An omitted nullable feature is null. Problems: REQUIRED_FEATURE, UNKNOWN_FEATURE, INVALID_VALUE,
   * INT64_PRECISION, NON_FINITE, ROW_TOO_LARGE; they name the feature, never its value.
   */
  pack(times: RowTimes, values: FeatureValues, options: PackOptions): Result<Uint8Array> {
    const { slots, endsAt, variableAt } = this.#layout;
    if (ROW_HEADER_BYTES + variableAt > MAX_ROW_BYTES) return this.#refuse('ROW_TOO_LARGE', 0);
    if (!this.#gather(values)) {
      return fail(problem('UNKNOWN_FEATURE', 'the row names a feature that the group does not have'));
    }
    const start = this.#begin(times);
    const payload = start + ROW_HEADER_BYTES;
    const bytes = this.#slab;
    const writer = this.#writer;
    const firstVariable = payload + variableAt;
    for (let at = payload; at < payload + ((slots.length + 7) >> 3); at++) bytes[at] = 0;
    let end = firstVariable;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i];
      const value = this.#values[i];
      if (slot === undefined) break;
      if (slot.kind === VALUE_KINDS.float64 && typeof value === 'number' && Number.isFinite(value)) {
        this.#view.setFloat64(payload + slot.fixedAt, value, true);
        continue;
      }
      let absent = value === undefined || value === null;
      if (!absent) {
        const outcome: number | ValueFault | undefined =
          slot.variable < 0
            ? writer.fixed(slot.kind, payload + slot.fixedAt, value, slot.dimensions)
            : writer.variable(slot.kind, slot.element, end, value);
        if (typeof outcome === 'number') end = outcome;
        else if (outcome === 'NON_FINITE' && options.nonFinite === 'null') absent = true;
        else if (outcome !== undefined) return this.#refuse(outcome, i);
      }
      if (absent) {
        if (!slot.nullable) return this.#refuse('REQUIRED_FEATURE', i);
        const at = payload + (i >> 3);
        bytes[at] = (bytes[at] ?? 0) | (1 << (i & 7));
        if (slot.variable < 0)
          bytes.fill(0, payload + slot.fixedAt, payload + slot.fixedAt + slot.fixedBytes);
      }
      if (slot.variable >= 0)
        this.#view.setUint32(payload + endsAt + 4 * slot.variable, end - firstVariable, true);
    }
    this.#start = end;
    return ok(new Uint8Array(bytes.buffer, start, end - start));
  }

  /** A logical deletion: a header without payload. */
  packDeletion(times: RowTimes): Uint8Array {
    const start = this.#begin(times);
    this.#slab[start + ROW_OFFSETS.flags] = ROW_FLAG_DELETED;
    this.#start = start + ROW_HEADER_BYTES;
    return this.#slab.subarray(start, this.#start);
  }

  /** Sorts the members into schema order; false where one that is not undefined has no slot. */
  #gather(values: FeatureValues): boolean {
    const gathered = this.#values;
    for (let i = 0; i < gathered.length; i++) gathered[i] = undefined;
    let member = 0;
    for (const name in values) {
      const value = values[name];
      if (this.#memberNames[member] !== name) {
        this.#memberNames[member] = name;
        this.#memberSlots[member] = this.#slots.get(name) ?? -1;
      }
      const slot = this.#memberSlots[member] ?? -1;
      member++;
      if (slot >= 0) gathered[slot] = value;
      else if (value !== undefined) return this.#forget();
    }
    return true;
  }

  /** Drops the remembered members, which may be a caller's text of any length. */
  #forget(): false {
    this.#memberNames.length = 0;
    this.#memberSlots.length = 0;
    return false;
  }

  /** Room for the longest row, its header written; returns where it begins. */
  #begin(times: RowTimes): number {
    if (this.#start + MAX_ROW_BYTES > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#view = new DataView(this.#slab.buffer);
      this.#start = 0;
    }
    const start = this.#start;
    for (let i = ROW_OFFSETS.origin; i < ROW_HEADER_BYTES; i += 4)
      this.#view.setInt32(start + i, this.#constants.getInt32(i));
    writeRowTimes(times, this.#slab, this.#view, start);
    this.#writer.aim(this.#slab, this.#view, start + MAX_ROW_BYTES);
    return start;
  }

  #refuse(code: ValueFault | 'REQUIRED_FEATURE', index: number): Result<Uint8Array> {
    const feature = this.#features[index];
    if (feature === undefined || code === 'ROW_TOO_LARGE') return fail(problem(code, ERRORS[code].title));
    const wanted =
      code === 'INVALID_VALUE' ? ` must be ${formatFeatureType(feature.type)}` : `: ${ERRORS[code].title}`;
    return fail(problem(code, `feature ${feature.name}${wanted}`));
  }
}
