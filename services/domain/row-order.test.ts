import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseFeatureType } from './feature-type.ts';
import { type RowHeader, readHeader } from './packed-row.ts';
import { regionId } from './region-id.ts';
import { compareRows, wins } from './row-order.ts';
import { RowPacker } from './row-packer.ts';

const valueType = parseFeatureType('int32');
if (valueType === undefined) throw new Error('int32');
const FEATURES = [{ name: 'value', type: valueType, nullable: true }];

interface Draft extends Omit<RowHeader, 'deleted'> {
  readonly value: number | null;
  readonly deleted: boolean;
}

function pack(draft: Draft): Uint8Array {
  const packer = new RowPacker(FEATURES, draft.revision, draft.origin);
  if (draft.deleted) return packer.packDeletion(draft);
  const result = packer.pack(draft, { value: draft.value }, { nonFinite: 'refuse' });
  if (!result.ok) throw new Error(result.problem.detail);
  return result.value;
}

/** Few distinct values, so that equal ones meet at every level. */
const times = fc.oneof(
  fc.constantFrom(-(2n ** 63n), -1n, 0n, 1n, 1_700_000_000_000_000n, 2n ** 63n - 1n),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const counters = fc.constantFrom(0, 1, 255, 256, 65_535);
const drafts: fc.Arbitrary<Draft> = fc.record({
  eventTimeUs: times,
  createdTimeUs: times,
  stamp: fc.record({ physicalUs: times, counter: counters, slot: counters }),
  origin: fc
    .constantFrom(
      'a',
      'a-',
      'b',
      'eu-west-1',
      'us-east-1',
      'a23456789012345678901234',
      'a23456789012345678901235',
    )
    .map(regionId),
  deleted: fc.boolean(),
  revision: fc.constantFrom(1, 2, 256),
  value: fc.option(fc.constantFrom(-1, 0, 1, 7), { freq: 3 }),
});

/** The rule of A3 field by field, without bytes. */
function oracle(a: Draft, b: Draft): number {
  const fields = (row: Draft): (bigint | number | string)[] => [
    row.eventTimeUs,
    row.createdTimeUs,
    row.stamp.physicalUs,
    row.stamp.counter,
    row.stamp.slot,
    row.origin,
    row.deleted ? 1 : 0,
    row.revision,
  ];
  const [left, right] = [fields(a), fields(b)];
  for (let i = 0; i < left.length; i++) {
    const [x, y] = [left[i], right[i]];
    if (x === undefined || y === undefined) break;
    if (x !== y) return x > y ? 1 : -1;
  }
  return 0;
}

describe('the row order', () => {
  it('is the rule of its fields, down to the packed bytes', () => {
    fc.assert(
      fc.property(drafts, drafts, (a, b) => {
        const expected = oracle(a, b);
        const order = Math.sign(compareRows(pack(a), pack(b)));
        if (expected !== 0) expect(order).toBe(expected);
        else expect(order === 0).toBe(a.deleted || a.value === b.value);
      }),
      { numRuns: 2000 },
    );
  });

  it('is total, antisymmetric and transitive', () => {
    fc.assert(
      fc.property(drafts, drafts, drafts, (a, b, c) => {
        const [x, y, z] = [pack(a), pack(b), pack(c)];
        expect(Math.sign(compareRows(x, y))).toBe(0 - Math.sign(compareRows(y, x)));
        expect(compareRows(x, y) === 0).toBe(Buffer.compare(x, y) === 0);
        if (compareRows(x, y) <= 0 && compareRows(y, z) <= 0)
          expect(compareRows(x, z)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 1000 },
    );
  });

  it('reads back the header it wrote', () => {
    fc.assert(
      fc.property(drafts, ({ value: _, ...header }) => {
        expect(readHeader(pack({ ...header, value: 1 }))).toEqual(header);
      }),
    );
  });

  it('counts a prefix as less', () => {
    expect(compareRows(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 0))).toBeLessThan(0);
  });
});

describe('winning', () => {
  const NOW = 1_700_000_000_000_000n;
  const HOUR = 3_600_000_000n;
  let stamp = 0n;
  const write = (value: number, eventTimeUs: bigint, createdTimeUs = NOW): Uint8Array =>
    pack({
      eventTimeUs,
      createdTimeUs,
      stamp: { physicalUs: NOW + ++stamp, counter: 0, slot: 0 },
      origin: regionId('us-east-1'),
      deleted: false,
      revision: 1,
      value,
    });
  /** A store of one table that applies in the order given. */
  const apply = (rows: readonly [string, Uint8Array][]): Map<string, Uint8Array> => {
    const stored = new Map<string, Uint8Array>();
    for (const [key, row] of rows) if (wins(row, stored.get(key))) stored.set(key, row);
    return stored;
  };

  // H, L and A as in the acceptance cases that other feature stores' suites were read for.
  it('H1: a write one hour older does not replace', () => {
    const [a, b] = [write(1, NOW), write(2, NOW - HOUR)];
    expect(
      apply([
        ['k', a],
        ['k', b],
      ]).get('k'),
    ).toBe(a);
  });

  it('H2: in the same late batch, keys without a value take theirs', () => {
    const [a, late, other] = [write(1, NOW), write(2, NOW - HOUR), write(3, NOW - HOUR)];
    const stored = apply([
      ['k', a],
      ['k', late],
      ['other', other],
    ]);
    expect([stored.get('k'), stored.get('other')]).toEqual([a, other]);
  });

  it('H3: a write one second newer replaces', () => {
    const [a, c] = [write(1, NOW), write(3, NOW + 1_000_000n)];
    expect(
      apply([
        ['k', a],
        ['k', c],
      ]).get('k'),
    ).toBe(c);
  });

  it('H4: materialising older source data keeps the newer value and updates the others', () => {
    const [c, d] = [write(3, NOW + 1_000_000n), write(4, NOW - 2n * HOUR)];
    const [older, newer] = [write(5, NOW - HOUR), write(6, NOW)];
    const stored = apply([
      ['k', c],
      ['other', d],
      ['k', older],
      ['other', newer],
    ]);
    expect([stored.get('k'), stored.get('other')]).toEqual([c, newer]);
  });

  it('H5: of t3, t2, t1 in that order in one batch, t3 remains', () => {
    const rows = [3n, 2n, 1n].map(n => write(Number(n), NOW + n));
    expect(apply(rows.map(row => ['k', row])).get('k')).toBe(rows[0]);
  });

  it('H6: any order, with repetitions, ends with the same bytes', () => {
    const rows = [
      write(1, NOW),
      write(2, NOW),
      write(3, NOW - 1n),
      write(4, NOW + 1n),
      write(5, NOW + 1n, NOW - 1n),
    ];
    const expected = apply(rows.map(row => ['k', row])).get('k');
    fc.assert(
      fc.property(fc.shuffledSubarray([...rows, ...rows], { minLength: 10, maxLength: 10 }), order => {
        expect(apply(order.map(row => ['k', row])).get('k')).toEqual(expected);
      }),
    );
    expect(expected).toBe(rows[3]);
  });

  it('L1: of two rows with equal event and created time exactly one is stored, the later accepted', () => {
    const [first, second] = [write(1, NOW), write(2, NOW)];
    const stored = apply([
      ['k', second],
      ['k', first],
    ]);
    expect(stored.size).toBe(1);
    expect(stored.get('k')).toBe(second);
  });

  it('A1 and A2: created time decides between equal event times, and only between those', () => {
    const [a, b] = [write(10, NOW, NOW), write(20, NOW, NOW + HOUR)];
    expect(
      apply([
        ['k', b],
        ['k', a],
      ]).get('k'),
    ).toBe(b);
    const [c, d] = [write(30, NOW, NOW + HOUR), write(40, NOW + HOUR, NOW)];
    expect(
      apply([
        ['k', d],
        ['k', c],
      ]).get('k'),
    ).toBe(d);
  });

  it('a row equal to the stored one does not win', () => {
    const row = write(1, NOW);
    expect(wins(row.slice(), row)).toBe(false);
    expect(wins(row, undefined)).toBe(true);
  });
});
