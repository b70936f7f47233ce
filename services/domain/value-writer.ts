import { AssertionError } from './assert.ts';
import { decodeBase64 } from './base64.ts';
import { parseInt64, writeInt64 } from './int64.ts';
import { VALUE_KINDS } from './payload-layout.ts';
import { parseTimestamp, parseTimestampMicros } from './timestamp.ts';
import { writeAscii, writeUtf8 } from './utf8.ts';

/** Why a JSON value cannot be packed as its type; each is a code of the error catalogue. */
export type ValueFault = 'INVALID_VALUE' | 'INT64_PRECISION' | 'NON_FINITE' | 'ROW_TOO_LARGE';

const ELEMENT_BYTES = [1, 4, 8, 4, 8, 8];
const NON_FINITE_TEXTS = new Set(['NaN', 'Infinity', '-Infinity']);

/** Writes JSON values into a buffer, little-endian, never beyond a limit. A fault is returned, the bytes written by then are void. */
export class ValueWriter {
  #bytes: Uint8Array = new Uint8Array();
  #view: DataView = new DataView(this.#bytes.buffer);
  #limit = 0;

  /** Writes into `bytes` from now on; `view` must be over the same bytes, `limit` is the first offset not to be written. */
  aim(bytes: Uint8Array, view: DataView, limit: number): void {
    this.#bytes = bytes;
    this.#view = view;
    this.#limit = limit;
  }

  /** Writes a fixed-width value (scalar or vector) at `at`. */
  fixed(kind: number, at: number, value: unknown, dimensions: number): ValueFault | undefined {
    switch (kind) {
      case VALUE_KINDS.float64:
        if (typeof value !== 'number' || !Number.isFinite(value)) return floatFault(value);
        this.#view.setFloat64(at, value, true);
        return undefined;
      case VALUE_KINDS.float32:
        return this.#float32(at, value);
      case VALUE_KINDS.int32:
        if (typeof value !== 'number' || (value | 0) !== value) return 'INVALID_VALUE';
        this.#view.setInt32(at, value, true);
        return undefined;
      case VALUE_KINDS.int64:
        return this.#int64(at, value);
      case VALUE_KINDS.timestamp:
        return this.#timestamp(at, value);
      case VALUE_KINDS.bool:
        if (typeof value !== 'boolean') return 'INVALID_VALUE';
        this.#bytes[at] = value ? 1 : 0;
        return undefined;
      case VALUE_KINDS.vector:
        return this.#vector(at, value, dimensions);
      default:
        throw new AssertionError('a fixed-width kind');
    }
  }

  /** Writes a string, bytes or a list at `at`; returns its end. */
  variable(kind: number, element: number, at: number, value: unknown): number | ValueFault {
    if (kind === VALUE_KINDS.list) return this.#list(element, at, value);
    return kind === VALUE_KINDS.string ? this.#string(at, value) : this.#binary(at, value);
  }

  #float32(at: number, value: unknown): ValueFault | undefined {
    if (typeof value !== 'number' || !Number.isFinite(value)) return floatFault(value);
    if (!Number.isFinite(Math.fround(value))) return 'INVALID_VALUE';
    this.#view.setFloat32(at, value, true);
    return undefined;
  }

  #int64(at: number, value: unknown): ValueFault | undefined {
    const parsed = parseInt64(value);
    if (typeof parsed === 'string') return parsed;
    writeInt64(this.#view, at, parsed, true);
    return undefined;
  }

  #timestamp(at: number, value: unknown): ValueFault | undefined {
    if (typeof value !== 'string') return 'INVALID_VALUE';
    const near = parseTimestampMicros(value);
    const us = Number.isSafeInteger(near) ? near : parseTimestamp(value);
    if (us === undefined) return 'INVALID_VALUE';
    writeInt64(this.#view, at, us, true);
    return undefined;
  }

  /** Takes an array of numbers, a Float32Array, or base64 of little-endian float32. */
  #vector(at: number, value: unknown, dimensions: number): ValueFault | undefined {
    if (typeof value === 'string') return this.#vectorBytes(at, value, dimensions);
    if (!(Array.isArray(value) || value instanceof Float32Array) || value.length !== dimensions)
      return 'INVALID_VALUE';
    for (let i = 0; i < dimensions; i++) {
      const fault = this.#float32(at + 4 * i, value[i]);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #vectorBytes(at: number, value: string, dimensions: number): ValueFault | undefined {
    const bytes = decodeBase64(value);
    if (bytes === undefined || bytes.length !== 4 * dimensions) return 'INVALID_VALUE';
    this.#bytes.set(bytes, at);
    for (let i = 0; i < dimensions; i++) {
      if (!Number.isFinite(this.#view.getFloat32(at + 4 * i, true))) return 'NON_FINITE';
    }
    return undefined;
  }

  #string(at: number, value: unknown): number | ValueFault {
    if (typeof value !== 'string') return 'INVALID_VALUE';
    const plainEnd = writeAscii(value, this.#bytes, at, this.#limit);
    if (plainEnd >= 0) return plainEnd;
    if (!value.isWellFormed()) return 'INVALID_VALUE';
    const end = writeUtf8(value, this.#bytes, at, this.#limit);
    return end < 0 ? 'ROW_TOO_LARGE' : end;
  }

  #binary(at: number, value: unknown): number | ValueFault {
    const bytes =
      value instanceof Uint8Array ? value : typeof value === 'string' ? decodeBase64(value) : undefined;
    if (bytes === undefined) return 'INVALID_VALUE';
    if (at + bytes.length > this.#limit) return 'ROW_TOO_LARGE';
    this.#bytes.set(bytes, at);
    return at + bytes.length;
  }

  /** Count (4 bytes), then the elements, the variable ones each with a length of 4 bytes. Null elements do not exist. */
  #list(element: number, at: number, value: unknown): number | ValueFault {
    if (!Array.isArray(value)) return 'INVALID_VALUE';
    const width = ELEMENT_BYTES[element];
    if (at + 4 + value.length * (width ?? 4) > this.#limit) return 'ROW_TOO_LARGE';
    this.#view.setUint32(at, value.length, true);
    let end = at + 4;
    for (const item of value as readonly unknown[]) {
      if (width !== undefined) {
        const fault = this.fixed(element, end, item, 0);
        if (fault !== undefined) return fault;
        end += width;
        continue;
      }
      if (end + 4 > this.#limit) return 'ROW_TOO_LARGE';
      const next = this.variable(element, -1, end + 4, item);
      if (typeof next === 'string') return next;
      this.#view.setUint32(end, next - end - 4, true);
      end = next;
    }
    return end;
  }
}

function floatFault(value: unknown): ValueFault {
  const nonFinite = typeof value === 'number' || (typeof value === 'string' && NON_FINITE_TEXTS.has(value));
  return nonFinite ? 'NON_FINITE' : 'INVALID_VALUE';
}
