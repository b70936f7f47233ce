import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FeatureDefinition } from './feature-group.ts';
import {
  type FeatureType,
  formatFeatureType,
  parseFeatureType,
  SCALAR_TYPES,
  type ScalarType,
} from './feature-type.ts';
import { MAX_ROW_BYTES } from './limits.ts';
import { malformedRow, readHeader, rowEventTimeMs, rowIsDeleted } from './packed-row.ts';
import { ProblemError } from './problem.ts';
import { regionId } from './region-id.ts';
import { RowDecoder } from './row-decoder.ts';
import { type FeatureValues, RowPacker } from './row-packer.ts';
import { formatTimestamp } from './timestamp.ts';

const TIMES = {
  eventTimeUs: 1_700_000_000_000_001n,
  createdTimeUs: -5n,
  stamp: { physicalUs: 9n, counter: 3, slot: 7 },
};
const ORIGIN = regionId('eu-west-1');

const SCALARS: Record<ScalarType, fc.Arbitrary<unknown>> = {
  bool: fc.boolean(),
  int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  int64: fc
    .oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.bigInt({ min: -(2n ** 54n), max: 2n ** 54n }),
    )
    .map(String),
  float32: fc.float({ noNaN: true, noDefaultInfinity: true }),
  float64: fc.double({ noNaN: true, noDefaultInfinity: true }),
  string: fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ maxLength: 60 }),
    fc.constant('\ufeffbom'),
  ),
  bytes: fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes).toString('base64')),
  timestamp: fc.bigInt({ min: -62_167_219_200_000_000n, max: 253_402_300_799_999_999n }).map(formatTimestamp),
};

const types: fc.Arbitrary<FeatureType> = fc.oneof(
  fc.constantFrom(...SCALAR_TYPES).map((scalar): FeatureType => ({ kind: 'scalar', scalar })),
  fc.constantFrom(...SCALAR_TYPES).map((element): FeatureType => ({ kind: 'list', element })),
  fc.integer({ min: 1, max: 5 }).map((dimensions): FeatureType => ({ kind: 'vector', dimensions })),
);

function arbitraryOf(type: FeatureType): fc.Arbitrary<unknown> {
  if (type.kind === 'scalar') return SCALARS[type.scalar];
  if (type.kind === 'list') return fc.array(SCALARS[type.element], { maxLength: 4 });
  return fc.array(SCALARS.float32, { minLength: type.dimensions, maxLength: type.dimensions });
}

/** A schema of up to 20 features (three bytes of null bitmap) and values for it; null and omitted where nullable. */
const cases = fc
  .array(fc.record({ type: types, nullable: fc.boolean() }), { minLength: 1, maxLength: 20 })
  .map(shapes => shapes.map((shape, i): FeatureDefinition => ({ name: `f${i}`, ...shape })))
  .chain(features =>
    fc.tuple(
      fc.constant(features),
      fc.tuple(
        ...features.map(({ type, nullable }) =>
          nullable
            ? fc.oneof({ weight: 3, arbitrary: arbitraryOf(type) }, fc.constantFrom(null, undefined))
            : arbitraryOf(type),
        ),
      ),
    ),
  );

function feature(name: string, written: string, nullable = true): FeatureDefinition {
  const type = parseFeatureType(written);
  if (type === undefined) throw new Error(written);
  return { name, type, nullable };
}

function packed(
  features: readonly FeatureDefinition[],
  values: FeatureValues,
  nonFinite: 'refuse' | 'null' = 'refuse',
): Uint8Array {
  const result = new RowPacker(features, 1, ORIGIN).pack(TIMES, values, { nonFinite });
  if (!result.ok) throw new Error(`${result.problem.code} ${result.problem.detail}`);
  return result.value;
}

function decoded(
  revisions: readonly (readonly FeatureDefinition[])[],
  wanted: readonly string[],
  row: Uint8Array,
): unknown[] {
  const columns: unknown[][] = wanted.map(() => []);
  new RowDecoder(revisions, wanted).decodeInto(row, columns, 0);
  return columns.map(column => column[0]);
}

function refusal(
  features: readonly FeatureDefinition[],
  values: FeatureValues,
  nonFinite: 'refuse' | 'null' = 'refuse',
): string {
  const result = new RowPacker(features, 1, ORIGIN).pack(TIMES, values, { nonFinite });
  return result.ok ? 'ok' : `${result.problem.code} ${result.problem.detail}`;
}

describe('round trip', () => {
  it('keeps every value of every type, and null where it was null or omitted', () => {
    fc.assert(
      fc.property(cases, ([features, values]) => {
        const given = Object.fromEntries(features.map(({ name }, i) => [name, values[i]]));
        const row = packed(features, given);
        expect(malformedRow(row)).toBeUndefined();
        expect(
          decoded(
            [features],
            features.map(({ name }) => name),
            row,
          ),
        ).toEqual(values.map(value => value ?? null));
      }),
      { numRuns: 500 },
    );
  });

  it('gives equal bytes for equal values, whatever one packer packed before and in whatever order members stand', () => {
    fc.assert(
      fc.property(cases, cases, ([features, values], [, noise]) => {
        const given = features.map(({ name }, i): [string, unknown] => [name, values[i]]);
        const packer = new RowPacker(features, 1, ORIGIN);
        packer.pack(TIMES, Object.fromEntries(features.map(({ name }, i) => [name, noise[i]])), {
          nonFinite: 'null',
        });
        const again = packer.pack(TIMES, Object.fromEntries(given.toReversed()), { nonFinite: 'refuse' });
        expect(again).toEqual({ ok: true, value: packed(features, Object.fromEntries(given)) });
      }),
    );
  });

  it('decodes wanted features only, in the wanted order, at the wanted place', () => {
    const features = [feature('a', 'string'), feature('b', 'int32'), feature('c', 'string[]')];
    const columns: unknown[][] = [[], []];
    new RowDecoder([features], ['c', 'a']).decodeInto(
      packed(features, { a: 'x', b: 1, c: ['y', 'z'] }),
      columns,
      2,
    );
    expect(columns).toEqual([
      [undefined, undefined, ['y', 'z']],
      [undefined, undefined, 'x'],
    ]);
  });

  it('gives vectors as base64 of little-endian float32 where asked, and takes that form', () => {
    const features = [feature('v', 'float32[2]')];
    const columns: unknown[][] = [[]];
    new RowDecoder([features], ['v'], { vectorsAs: 'base64f32' }).decodeInto(
      packed(features, { v: [1, -2.5] }),
      columns,
      0,
    );
    expect(columns).toEqual([['AACAPwAAIMA=']]);
    expect(packed(features, { v: 'AACAPwAAIMA=' })).toEqual(
      packed(features, { v: new Float32Array([1, -2.5]) }),
    );
  });

  it('reads a row that lies anywhere in a larger buffer', () => {
    const features = [feature('a', 'float64'), feature('s', 'string')];
    const row = packed(features, { a: 0.1, s: 'héllo' });
    const pool = new Uint8Array(row.length + 13);
    pool.set(row, 5);
    expect(decoded([features], ['a', 's'], pool.subarray(5, 5 + row.length))).toEqual([0.1, 'héllo']);
  });
});

describe('revisions and deletions', () => {
  const first = [feature('a', 'int32'), feature('s', 'string')];
  const second = [feature('added', 'float64'), ...first, feature('t', 'string')];

  it('rows of an older revision give null for features it lacked', () => {
    const old = packed(first, { a: 1, s: 'x' });
    const result = new RowPacker(second, 2, ORIGIN).pack(
      TIMES,
      { a: 2, s: 'y', added: 0.5, t: 'z' },
      { nonFinite: 'refuse' },
    );
    if (!result.ok) throw new Error(result.problem.detail);
    const wanted = ['t', 'a', 's', 'added'];
    expect(decoded([first, second], wanted, old)).toEqual([null, 1, 'x', null]);
    expect(decoded([first, second], wanted, result.value)).toEqual(['z', 2, 'y', 0.5]);
  });

  it('a row of a revision not known yet is an error, never wrong values', () => {
    const [row] = [new RowPacker(second, 2, ORIGIN).pack(TIMES, {}, { nonFinite: 'refuse' })];
    if (!row.ok) throw new Error(row.problem.detail);
    expect(() => decoded([first], ['a'], row.value)).toThrow('UNKNOWN_REVISION');
  });

  it('a deletion is a header only; its columns are null', () => {
    const packer = new RowPacker(first, 1, ORIGIN);
    const row = packer.packDeletion(TIMES);
    expect(row).toHaveLength(56);
    expect(readHeader(row)).toEqual({ ...TIMES, origin: ORIGIN, deleted: true, revision: 1 });
    expect(decoded([first], ['a', 's'], row)).toEqual([null, null]);
    expect(rowIsDeleted(packed(first, {}))).toBe(false);
    const after = packer.pack(TIMES, {}, { nonFinite: 'refuse' });
    expect(after.ok && rowIsDeleted(after.value)).toBe(false);
  });

  it('the event time in milliseconds keeps the microseconds', () => {
    expect(rowEventTimeMs(packed(first, {}))).toBeCloseTo(1_700_000_000_000.001, 3);
  });
});

describe('damage', () => {
  const features = [
    feature('n', 'int64'),
    feature('s', 'string'),
    feature('l', 'string[]'),
    feature('d', 'float64[]'),
  ];
  const names = features.map(({ name }) => name);
  const whole = packed(features, { n: 5, s: 'text', l: ['a', 'bc'], d: [1, 2] });

  it('any change of a payload gives values or CORRUPT_DATA, in bounded time', () => {
    const change = fc.record({
      at: fc.integer({ min: 56, max: whole.length - 1 }),
      value: fc.integer({ min: 0, max: 255 }),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), changes => {
        const row = whole.slice();
        for (const { at, value } of changes) row[at] = value;
        try {
          expect(decoded([features], names, row)).toHaveLength(4);
        } catch (error) {
          expect(error instanceof ProblemError && error.problem.code).toBe('CORRUPT_DATA');
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('a row that was cut is CORRUPT_DATA', () => {
    for (let end = 56; end < whole.length; end++) {
      expect(() => decoded([features], names, whole.subarray(0, end)), `${end}`).toThrow('CORRUPT_DATA');
    }
  });
});

describe('refusals', () => {
  it.each<[string, unknown, string]>([
    ['bool', 'true', 'INVALID_VALUE'],
    ['bool', 1, 'INVALID_VALUE'],
    ['int32', 1.5, 'INVALID_VALUE'],
    ['int32', 2 ** 31, 'INVALID_VALUE'],
    ['int32', '1', 'INVALID_VALUE'],
    ['int64', 2 ** 53, 'INT64_PRECISION'],
    ['int64', -(2 ** 53), 'INT64_PRECISION'],
    ['int64', 2 ** 53 - 1, 'ok'],
    ['int64', '9223372036854775808', 'INVALID_VALUE'],
    ['int64', '99999999999999999999', 'INVALID_VALUE'],
    ['int64', ' 1', 'INVALID_VALUE'],
    ['int64[]', [1, 2 ** 60], 'INT64_PRECISION'],
    ['float32', 1e39, 'INVALID_VALUE'],
    ['float32', '1', 'INVALID_VALUE'],
    ['float64', Number.NaN, 'NON_FINITE'],
    ['float64', 'Infinity', 'NON_FINITE'],
    ['float64[]', [1, Number.NEGATIVE_INFINITY], 'NON_FINITE'],
    ['float32[2]', [1, Number.NaN], 'NON_FINITE'],
    ['float32[2]', [1], 'INVALID_VALUE'],
    ['float32[2]', [1, null], 'INVALID_VALUE'],
    ['float32[1]', 'AADAfw==', 'NON_FINITE'],
    ['float32[2]', 'AACAPw==', 'INVALID_VALUE'],
    ['string', 1, 'INVALID_VALUE'],
    ['string', '\udc00', 'INVALID_VALUE'],
    ['string[]', 'x', 'INVALID_VALUE'],
    ['string[]', ['x', null], 'INVALID_VALUE'],
    ['bytes', 'AAE', 'INVALID_VALUE'],
    ['timestamp', '2024-01-01', 'INVALID_VALUE'],
    ['timestamp', 1_700_000_000, 'INVALID_VALUE'],
  ])('%s given %j: %s', (written, value, code) => {
    expect(refusal([feature('f', written)], { f: value }).split(' ')[0]).toBe(code);
  });

  it('names the feature and the type, never the value', () => {
    expect(refusal([feature('delay', 'int32')], { delay: 'secret' })).toBe(
      'INVALID_VALUE feature delay must be int32',
    );
  });

  it('stores a value with a non-finite part as null where asked, with the bytes of a plain null', () => {
    const features = [feature('v', 'float32[2]'), feature('d', 'float64'), feature('l', 'float64[]')];
    const row = packed(
      features,
      { v: [1, Number.NaN], d: Number.POSITIVE_INFINITY, l: [1, Number.NaN] },
      'null',
    );
    expect(row).toEqual(packed(features, {}));
    expect(refusal([feature('d', 'float64', false)], { d: Number.NaN }, 'null')).toMatch(/^REQUIRED_FEATURE/);
  });

  it('refuses omitted and null required features, also one whose name every object inherits', () => {
    expect(refusal([feature('constructor', 'string', false)], {})).toMatch(/^REQUIRED_FEATURE/);
    expect(refusal([feature('a', 'string', false)], { a: null })).toMatch(/^REQUIRED_FEATURE/);
    expect(packed([feature('constructor', 'string')], {})).toHaveLength(56 + 1 + 4);
  });

  it('refuses features that the group does not have', () => {
    expect(refusal([feature('a', 'string')], { a: 'x', b: 'y' })).toMatch(/^UNKNOWN_FEATURE/);
    expect(refusal([feature('a', 'string')], { b: null })).toMatch(/^UNKNOWN_FEATURE/);
    expect(refusal([feature('a', 'string')], JSON.parse('{"__proto__":1}'))).toMatch(/^UNKNOWN_FEATURE/);
    expect(refusal([feature('a', 'string')], { b: undefined })).toBe('ok');
  });

  it('takes rows up to 12 KiB and refuses longer ones in every variable type', () => {
    const room = MAX_ROW_BYTES - 56 - 1 - 4;
    expect(packed([feature('s', 'string')], { s: 'x'.repeat(room) })).toHaveLength(MAX_ROW_BYTES);
    const tooLong: [string, unknown][] = [
      ['string', 'x'.repeat(room + 1)],
      ['string', 'é'.repeat(room / 2 + 1)],
      ['bytes', Buffer.alloc(room + 1).toString('base64')],
      ['float64[]', new Array(Math.ceil(room / 8)).fill(1)],
      ['string[]', new Array(Math.ceil(room / 4)).fill('')],
      ['string[]', ['x'.repeat(room)]],
    ];
    for (const [written, value] of tooLong)
      expect(refusal([feature('f', written)], { f: value }), written).toMatch(/^ROW_TOO_LARGE/);
    const wide = [1, 2, 3, 4].map(i => feature(`v${i}`, 'float32[1024]'));
    expect(refusal(wide, {})).toMatch(/^ROW_TOO_LARGE/);
  });
});

it('every written type is parsed back', () => {
  fc.assert(
    fc.property(types, type => {
      expect(parseFeatureType(formatFeatureType(type))).toEqual(type);
    }),
  );
});
