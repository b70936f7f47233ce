import { AssertionError } from './assert.ts';
import { encodeBase64 } from './base64.ts';
import { formatInt64 } from './int64.ts';
import { VALUE_KINDS } from './payload-layout.ts';
import { ProblemError, problem } from './problem.ts';
import { TimestampFormatter } from './timestamp-formatter.ts';
import { readUtf8 } from './utf8.ts';

/** How vectors are answered: arrays of numbers, or base64 of little-endian float32. */
export type VectorForm = 'array' | 'base64f32';

const ELEMENT_BYTES = [1, 4, 8, 4, 8, 8];

/** Reads values of packed payloads as JSON-ready values: int64 as a string, timestamps RFC 3339 in UTC, bytes in base64. */
export class ValueReader {
  readonly #vectorsAs: VectorForm;
  readonly #float64 = new Float64Array(1);
  readonly #float32 = new Float32Array(this.#float64.buffer, 0, 1);
  readonly #words = new Uint32Array(this.#float64.buffer);
  readonly #timestamps = new TimestampFormatter();

  constructor(vectorsAs: VectorForm) {
    this.#vectorsAs = vectorsAs;
  }

  /** A fixed-width value at `at`. */
  fixed(kind: number, row: Uint8Array, at: number, dimensions: number): unknown {
    switch (kind) {
      case VALUE_KINDS.float64:
        return this.#readFloat64(row, at);
      case VALUE_KINDS.float32:
        return this.#readFloat32(row, at);
      case VALUE_KINDS.int32:
        return word(row, at);
      case VALUE_KINDS.int64:
        return formatInt64(word(row, at + 4), word(row, at) >>> 0);
      case VALUE_KINDS.timestamp:
        return this.#timestamps.format(word(row, at + 4), word(row, at) >>> 0);
      case VALUE_KINDS.bool:
        return row[at] === 1;
      case VALUE_KINDS.vector:
        return this.#vectorsAs === 'array'
          ? this.#vector(row, at, dimensions)
          : encodeBase64(row, at, at + 4 * dimensions);
      default:
        throw new AssertionError('a fixed-width kind');
    }
  }

  /** A string, bytes or a list in `[from, to)`. Throws a ProblemError CORRUPT_DATA where the range or a length in it is impossible. */
  variable(kind: number, element: number, row: Uint8Array, from: number, to: number): unknown {
    if (from > to || to > row.length) throw corrupt();
    if (kind === VALUE_KINDS.string) return readUtf8(row, from, to);
    return kind === VALUE_KINDS.bytes ? encodeBase64(row, from, to) : this.#list(element, row, from, to);
  }

  #list(element: number, row: Uint8Array, from: number, to: number): unknown[] {
    const values: unknown[] = [];
    const count = word(row, from) >>> 0;
    const width = ELEMENT_BYTES[element];
    let at = from + 4;
    if (at + count * (width ?? 4) > to) throw corrupt();
    for (let i = 0; i < count; i++) {
      const end = width === undefined ? at + 4 + (word(row, at) >>> 0) : at + width;
      if (end > to) throw corrupt();
      values.push(
        width === undefined ? this.variable(element, -1, row, at + 4, end) : this.fixed(element, row, at, 0),
      );
      at = end;
    }
    return values;
  }

  #vector(row: Uint8Array, at: number, dimensions: number): number[] {
    const values: number[] = [];
    for (let i = 0; i < dimensions; i++) values.push(this.#readFloat32(row, at + 4 * i));
    return values;
  }

  #readFloat32(row: Uint8Array, at: number): number {
    this.#words[0] = word(row, at);
    return this.#float32[0] ?? 0;
  }

  #readFloat64(row: Uint8Array, at: number): number {
    this.#words[0] = word(row, at);
    this.#words[1] = word(row, at + 4);
    return this.#float64[0] ?? 0;
  }
}

/** A little-endian int32. */
export function word(row: Uint8Array, at: number): number {
  return (row[at] ?? 0) | ((row[at + 1] ?? 0) << 8) | ((row[at + 2] ?? 0) << 16) | ((row[at + 3] ?? 0) << 24);
}

function corrupt(): ProblemError {
  return new ProblemError(problem('CORRUPT_DATA', 'a packed row holds a length that cannot be'));
}
