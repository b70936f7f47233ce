import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DecodedKeyValue, KeyEncoder, type KeyValues } from './entity-key.ts';
import type { JoinKey } from './feature-group.ts';
import { JOIN_KEY_TYPES, type JoinKeyType } from './feature-type.ts';
import { MAX_ENTITY_KEY_BYTES } from './limits.ts';
import type { Result } from './result.ts';

const wellFormed = fc.string({ unit: 'binary', maxLength: 30 });

const VALUES: Record<JoinKeyType, fc.Arbitrary<DecodedKeyValue>> = {
  string: wellFormed,
  bytes: fc.uint8Array({ maxLength: 30 }),
  bool: fc.boolean(),
  int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  timestamp: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
};

const NAMES = ['a', 'airport', 'b', 'constructor', 'zz_top'];

const schemas: fc.Arbitrary<JoinKey[]> = fc
  .uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 4 })
  .chain(names =>
    fc.tuple(
      ...names.map(name => fc.constantFrom(...JOIN_KEY_TYPES).map((type): JoinKey => ({ name, type }))),
    ),
  );

const valuesOf = (joinKeys: readonly JoinKey[]): fc.Arbitrary<Record<string, DecodedKeyValue>> =>
  fc.record(Object.fromEntries(joinKeys.map(({ name, type }) => [name, VALUES[type]])));

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function encoded(joinKeys: readonly JoinKey[], values: KeyValues): Uint8Array {
  const result = new KeyEncoder(joinKeys).encode(values);
  if (!result.ok) throw new Error(result.problem.detail);
  return result.value;
}

describe('encoding', () => {
  it('round-trips every type, in any order of members and of join keys', () => {
    fc.assert(
      fc.property(
        schemas.chain(joinKeys => fc.tuple(fc.constant(joinKeys), valuesOf(joinKeys))),
        ([joinKeys, values]) => {
          const key = encoded(joinKeys, values);
          const reordered = Object.fromEntries(Object.entries(values).toReversed());
          expect(hex(encoded(joinKeys.toReversed(), reordered))).toBe(hex(key));
          expect(new KeyEncoder(joinKeys).decode(key)).toEqual(values);
        },
      ),
    );
  });

  it('gives different bytes to different keys', () => {
    fc.assert(
      fc.property(
        schemas.chain(joinKeys => fc.tuple(fc.constant(joinKeys), valuesOf(joinKeys), valuesOf(joinKeys))),
        ([joinKeys, one, other]) => {
          const text = (values: Record<string, DecodedKeyValue>): string =>
            joinKeys
              .map(({ name }) => {
                const value = values[name];
                return value instanceof Uint8Array
                  ? hex(value)
                  : `${typeof value} ${JSON.stringify(String(value))}`;
              })
              .join('|');
          expect(hex(encoded(joinKeys, one)) === hex(encoded(joinKeys, other))).toBe(
            text(one) === text(other),
          );
        },
      ),
    );
  });

  it('keeps two strings apart that only meet at their border', () => {
    const joinKeys: JoinKey[] = [
      { name: 'a', type: 'string' },
      { name: 'b', type: 'string' },
    ];
    expect(hex(encoded(joinKeys, { a: 'xy', b: 'z' }))).not.toBe(hex(encoded(joinKeys, { a: 'x', b: 'yz' })));
  });

  it('orders integers and times by their bytes', () => {
    const int64: JoinKey[] = [{ name: 'n', type: 'int64' }];
    const steps = [-(2n ** 63n), -(2n ** 53n), -1n, 0n, 1n, 2n ** 53n, 2n ** 63n - 1n];
    const keys = steps.map(n => hex(encoded(int64, { n })));
    expect(keys.toSorted()).toEqual(keys);
    const int32: JoinKey[] = [{ name: 'n', type: 'int32' }];
    const small = [-(2 ** 31), -1, 0, 1, 2 ** 31 - 1].map(n => hex(encoded(int32, { n })));
    expect(small.toSorted()).toEqual(small);
  });

  it('takes JSON forms: int64 as text or safe number, timestamps in any zone, bytes in base64', () => {
    const int64: JoinKey[] = [{ name: 'n', type: 'int64' }];
    expect(hex(encoded(int64, { n: '-42' }))).toBe(hex(encoded(int64, { n: -42 })));
    expect(hex(encoded(int64, { n: '9007199254740993' }))).toBe(
      hex(encoded(int64, { n: 9007199254740993n })),
    );
    const time: JoinKey[] = [{ name: 't', type: 'timestamp' }];
    expect(hex(encoded(time, { t: '2024-05-06T07:08:09+02:00' }))).toBe(
      hex(encoded(time, { t: '2024-05-06T05:08:09.000Z' })),
    );
    const bytes: JoinKey[] = [{ name: 'b', type: 'bytes' }];
    expect(hex(encoded(bytes, { b: 'AAEC' }))).toBe('0003000102');
  });
});

describe('refusals', () => {
  const code = (result: Result<unknown>): string => (result.ok ? 'ok' : result.problem.code);

  it.each<[JoinKeyType, unknown, string]>([
    ['string', 5, 'INVALID_KEY'],
    ['string', '\ud800', 'INVALID_KEY'],
    ['bytes', 'not base64', 'INVALID_KEY'],
    ['bytes', 'AAE', 'INVALID_KEY'],
    ['bool', 1, 'INVALID_KEY'],
    ['int32', 2 ** 31, 'INVALID_KEY'],
    ['int32', 1.5, 'INVALID_KEY'],
    ['int32', '1', 'INVALID_KEY'],
    ['int64', 2 ** 53, 'INT64_PRECISION'],
    ['int64', 1.5, 'INVALID_KEY'],
    ['int64', '9223372036854775808', 'INVALID_KEY'],
    ['int64', '1e3', 'INVALID_KEY'],
    ['timestamp', '2024-05-06T07:08:09', 'INVALID_KEY'],
    ['timestamp', 5, 'INVALID_KEY'],
    ['string', null, 'MISSING_KEY'],
    ['string', undefined, 'MISSING_KEY'],
    ['string', 'x'.repeat(MAX_ENTITY_KEY_BYTES - 1), 'KEY_TOO_LONG'],
    ['string', 'é'.repeat(MAX_ENTITY_KEY_BYTES / 2), 'KEY_TOO_LONG'],
    ['string', 'x'.repeat(MAX_ENTITY_KEY_BYTES - 2), 'ok'],
  ])('%s, case %#', (type, value, expected) => {
    expect(code(new KeyEncoder([{ name: 'k', type }]).encode({ k: value }))).toBe(expected);
  });

  it('names a missing part, also one whose name every object inherits, and an unknown one', () => {
    const keys = new KeyEncoder([
      { name: 'airport', type: 'string' },
      { name: 'constructor', type: 'string' },
    ]);
    const missing = keys.encode({ airport: 'SFO' });
    expect(missing).toMatchObject({
      ok: false,
      problem: { code: 'MISSING_KEY', detail: expect.stringContaining('constructor') },
    });
    expect(code(keys.encode({ airport: 'SFO', constructor: 'x', city: 'y' }))).toBe('UNKNOWN_KEY');
  });

  it('never repeats the value', () => {
    const result = new KeyEncoder([{ name: 'n', type: 'int64' }]).encode({ n: 'secret-traveller-7' });
    expect(JSON.stringify(result)).not.toContain('secret');
    const unknown = new KeyEncoder([{ name: 'n', type: 'int64' }]).encode({ n: 1, 'secret-traveller-7': 1 });
    expect(JSON.stringify(unknown)).not.toContain('secret');
  });

  it('refuses to decode bytes that are no key of the group', () => {
    const keys = new KeyEncoder([{ name: 'n', type: 'int32' }]);
    for (const bytes of ['', '0004', '00040000', '000400000000ff', '000300000000', '00050000000000']) {
      expect(() => keys.decode(Buffer.from(bytes, 'hex')), bytes).toThrow('CORRUPT_DATA');
    }
  });
});
