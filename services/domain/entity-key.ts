import { AssertionError, assert } from './assert.ts';
import { decodeBase64 } from './base64.ts';
import type { JoinKey } from './feature-group.ts';
import { parseInt64, writeInt64 } from './int64.ts';
import { MAX_ENTITY_KEY_BYTES } from './limits.ts';
import { type Problem, ProblemError, problem } from './problem.ts';
import { fail, ok, type Result } from './result.ts';
import { parseTimestamp } from './timestamp.ts';
import { readUtf8, writeUtf8 } from './utf8.ts';

/** Values of the join keys of one row by name, as parsed from JSON; bigint and Uint8Array are taken too. */
export type KeyValues = Readonly<Record<string, unknown>>;

/** A decoded join key: int64 and timestamp (µs since the Unix epoch) as bigint, bytes as bytes. Never to be logged. */
export type DecodedKeyValue = string | number | bigint | boolean | Uint8Array;

type KeyFault = 'INVALID_KEY' | 'INT64_PRECISION' | 'KEY_TOO_LONG';

/**
 * Encodes the entity keys of one group (A3): join keys sorted by name, each as length (2, big-endian) and bytes, so that different
 * keys have different bytes and the order of members in the input does not matter.
 */
export class KeyEncoder {
  readonly #joinKeys: readonly JoinKey[];
  readonly #names: ReadonlySet<string>;
  readonly #bytes = new Uint8Array(MAX_ENTITY_KEY_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(joinKeys: readonly JoinKey[]) {
    this.#joinKeys = joinKeys.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    this.#names = new Set(joinKeys.map(key => key.name));
    assert(
      this.#names.size === joinKeys.length && joinKeys.length > 0,
      'join keys are distinct, at least one',
    );
  }

  /** The encoded key. Problems: MISSING_KEY, UNKNOWN_KEY, INVALID_KEY, INT64_PRECISION, KEY_TOO_LONG; they name the join key, never its value. */
  encode(values: KeyValues): Result<Uint8Array> {
    let at = 0;
    for (const joinKey of this.#joinKeys) {
      const { name } = joinKey;
      const end = this.#writeField(joinKey, at, Object.hasOwn(values, name) ? values[name] : undefined);
      if (typeof end !== 'number') return fail(end);
      at = end;
    }
    for (const name in values) {
      if (!this.#names.has(name))
        return fail(problem('UNKNOWN_KEY', 'the key has a member that the group does not have'));
    }
    return ok(this.#bytes.slice(0, at));
  }

  /** As `encode`, of row `row` of columns in the order of the join keys' names; a column that is no array has one value for every row. */
  encodeRow(columns: readonly unknown[], row: number): Result<Uint8Array> {
    let at = 0;
    for (let i = 0; i < this.#joinKeys.length; i++) {
      const joinKey = this.#joinKeys[i];
      const column = columns[i];
      if (joinKey === undefined) break;
      const end = this.#writeField(joinKey, at, Array.isArray(column) ? column[row] : column);
      if (typeof end !== 'number') return fail(end);
      at = end;
    }
    return ok(this.#bytes.slice(0, at));
  }

  /** The join keys of an encoded key; what `encode` takes. Throws a ProblemError CORRUPT_DATA where the bytes are no such key. */
  decode(key: Uint8Array): Record<string, DecodedKeyValue> {
    const values: [string, DecodedKeyValue][] = [];
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
    let at = 0;
    for (const { name, type } of this.#joinKeys) {
      const end = at + 2 <= key.length ? at + 2 + view.getUint16(at) : Number.POSITIVE_INFINITY;
      const width = FIXED_BYTES[type];
      if (end > key.length || (width !== undefined && end - at - 2 !== width)) throw corrupt();
      values.push([name, readValue(type, key, view, at + 2, end)]);
      at = end;
    }
    if (at !== key.length) throw corrupt();
    return Object.fromEntries(values);
  }

  /** Writes length and bytes of one join key at `at`; the end, or what is wrong. */
  #writeField({ name, type }: JoinKey, at: number, value: unknown): number | Problem {
    if (value === undefined || value === null) return problem('MISSING_KEY', `join key ${name} is missing`);
    if (at + 2 > MAX_ENTITY_KEY_BYTES) return tooLong();
    const end = this.#write(type, at + 2, value);
    if (end === 'KEY_TOO_LONG') return tooLong();
    if (typeof end === 'string') return problem(end, `join key ${name} must be ${type}`);
    this.#view.setUint16(at, end - at - 2);
    return end;
  }

  /** Writes one value at `at` and returns its end. */
  #write(type: JoinKey['type'], at: number, value: unknown): number | KeyFault {
    const limit = MAX_ENTITY_KEY_BYTES;
    if (type === 'string') {
      if (typeof value !== 'string' || !value.isWellFormed()) return 'INVALID_KEY';
      const end = writeUtf8(value, this.#bytes, at, limit);
      return end < 0 ? 'KEY_TOO_LONG' : end;
    }
    if (type === 'bytes') {
      const bytes =
        value instanceof Uint8Array ? value : typeof value === 'string' ? decodeBase64(value) : undefined;
      if (bytes === undefined) return 'INVALID_KEY';
      if (at + bytes.length > limit) return 'KEY_TOO_LONG';
      this.#bytes.set(bytes, at);
      return at + bytes.length;
    }
    if (at + FIXED_BYTES[type] > limit) return 'KEY_TOO_LONG';
    return this.#writeFixed(type, at, value);
  }

  /** Integers are written with the sign bit flipped, so that byte order is their order. */
  #writeFixed(type: 'bool' | 'int32' | 'int64' | 'timestamp', at: number, value: unknown): number | KeyFault {
    switch (type) {
      case 'bool':
        if (typeof value !== 'boolean') return 'INVALID_KEY';
        this.#bytes[at] = value ? 1 : 0;
        return at + 1;
      case 'int32':
        if (typeof value !== 'number' || (value | 0) !== value) return 'INVALID_KEY';
        this.#view.setUint32(at, (value ^ 0x8000_0000) >>> 0);
        return at + 4;
      case 'int64':
        return this.#writeInt64(at, value);
      case 'timestamp':
        return this.#writeInt64(
          at,
          typeof value === 'string' ? parseTimestamp(value) : typeof value === 'bigint' ? value : undefined,
        );
    }
  }

  #writeInt64(at: number, value: unknown): number | KeyFault {
    const parsed = parseInt64(value);
    if (typeof parsed === 'string') return parsed === 'INVALID_VALUE' ? 'INVALID_KEY' : parsed;
    writeInt64(this.#view, at, parsed, false);
    this.#bytes[at] = (this.#bytes[at] ?? 0) ^ 0x80;
    return at + 8;
  }
}

const FIXED_BYTES = {
  string: undefined,
  bytes: undefined,
  bool: 1,
  int32: 4,
  int64: 8,
  timestamp: 8,
} as const;

function readValue(
  type: JoinKey['type'],
  key: Uint8Array,
  view: DataView,
  from: number,
  to: number,
): DecodedKeyValue {
  switch (type) {
    case 'string':
      return readUtf8(key, from, to);
    case 'bytes':
      return key.slice(from, to);
    case 'bool':
      return key[from] === 1;
    case 'int32':
      return (view.getUint32(from) ^ 0x8000_0000) | 0;
    case 'int64':
    case 'timestamp':
      return BigInt.asIntN(64, view.getBigUint64(from) ^ (1n << 63n));
    default:
      throw new AssertionError('a join key type');
  }
}

function tooLong(): Problem {
  return problem('KEY_TOO_LONG', `the encoded entity key is longer than ${MAX_ENTITY_KEY_BYTES} bytes`);
}

function corrupt(): ProblemError {
  return new ProblemError(problem('CORRUPT_DATA', 'bytes that are no entity key of the group'));
}
