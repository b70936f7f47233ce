import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { canonicalJson } from './canonical-json.ts';
import { murmur3, RowHashSum } from './row-hash.ts';
import { readUtf8, writeUtf8 } from './utf8.ts';

describe('base64', () => {
  it('agrees with Buffer, also on a part of the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(5), (bytes, from) => {
        const part = bytes.subarray(from);
        expect(encodeBase64(bytes, Math.min(from, bytes.length))).toBe(Buffer.from(part).toString('base64'));
        expect(decodeBase64(Buffer.from(bytes).toString('base64'))).toEqual(bytes);
      }),
    );
  });

  it.each(['A', 'AB', 'ABC', 'AB=C', 'A===', '====', 'AB-_', 'AB==AB==', 'AC==', 'AAF=', 'AAAé', ' AAA'])(
    'refuses %j',
    text => {
      expect(decodeBase64(text)).toBeUndefined();
    },
  );
});

describe('UTF-8', () => {
  it('round-trips well-formed text, short and long, and never writes beyond the limit', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.nat(60), (text, limit) => {
        const target = new Uint8Array(200).fill(0xee);
        const end = writeUtf8(text, target, 3, 3 + limit);
        const length = Buffer.byteLength(text);
        expect(end).toBe(length <= limit ? 3 + length : -1);
        if (end >= 0) expect(readUtf8(target, 3, end)).toBe(text);
        expect(target.subarray(3 + limit).every(byte => byte === 0xee)).toBe(true);
      }),
    );
  });
});

describe('canonical JSON', () => {
  it('is the same for equal values in any order of members, and parses back', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), value => {
        const text = canonicalJson(value);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(JSON.parse(text, (_, item) => reversed(item)))).toBe(text);
      }),
    );
  });

  it('sorts, leaves out undefined members, and refuses what JSON cannot hold', () => {
    expect(canonicalJson({ b: [1, undefined], a: { d: 'é', c: null }, x: undefined })).toBe(
      '{"a":{"c":null,"d":"é"},"b":[1,null]}',
    );
    for (const value of [Number.NaN, 1n, () => 1, undefined])
      expect(() => canonicalJson(value)).toThrow(TypeError);
  });

  function reversed(item: unknown): unknown {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).toReversed());
  }
});

describe('row hash', () => {
  // Published vectors of MurmurHash3_x86_32.
  it.each<[string, number, number]>([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['test', 0, 0xba6bd213],
    ['Hello, world!', 0, 0xc0363e43],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
  ])('murmur3 of %j with seed %d', (text, seed, expected) => {
    expect(murmur3(Buffer.from(text), seed)).toBe(expected);
  });

  it('is the sum modulo 2^64: the same in any order, another one after any loss', () => {
    const rows = fc.array(
      fc.record({ key: fc.uint8Array({ maxLength: 9 }), row: fc.uint8Array({ maxLength: 9 }) }),
      { minLength: 1, maxLength: 30 },
    );
    const sum = (list: readonly { key: Uint8Array; row: Uint8Array }[]): string => {
      const hash = new RowHashSum();
      for (const { key, row } of list) hash.add(key, row);
      return hash.hex();
    };
    fc.assert(
      fc.property(rows, list => {
        expect(sum(list.toReversed())).toBe(sum(list));
        expect(sum(list.slice(1))).not.toBe(sum(list));
        const single = list.reduce((total, row) => total + BigInt(`0x${sum([row])}`), 0n);
        expect(sum(list)).toBe(BigInt.asUintN(64, single).toString(16).padStart(16, '0'));
      }),
    );
    expect(sum([])).toBe('0000000000000000');
  });
});
