import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTimestamp, formatTimestampMicros, parseTimestamp } from './timestamp.ts';

const FIRST_US = -62_167_219_200_000_000n;
const LAST_US = 253_402_300_799_999_999n;

describe('timestamps', () => {
  it('round-trip every microsecond of the years 0 to 9999', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: FIRST_US, max: LAST_US }), us => {
        expect(parseTimestamp(formatTimestamp(us))).toBe(us);
      }),
      { numRuns: 1000 },
    );
  });

  it('agree with Date at millisecond resolution, before and after 1970', () => {
    fc.assert(
      fc.property(
        fc.date({
          noInvalidDate: true,
          min: new Date('0000-01-01T00:00:00Z'),
          max: new Date('9999-12-31T23:59:59.999Z'),
        }),
        date => {
          const us = BigInt(date.getTime()) * 1000n;
          expect(parseTimestamp(date.toISOString())).toBe(us);
          expect(Date.parse(formatTimestamp(us))).toBe(date.getTime());
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('keep the zone’s instant', () => {
    expect(parseTimestamp('2024-02-29T23:30:00.5+05:30')).toBe(parseTimestamp('2024-02-29T18:00:00.500000Z'));
    expect(parseTimestamp('2024-01-01T00:00:00-08:00')).toBe(parseTimestamp('2024-01-01t08:00:00z'));
  });

  it.each([
    [0n, '1970-01-01T00:00:00Z'],
    [1_500_000n, '1970-01-01T00:00:01.500Z'],
    [1n, '1970-01-01T00:00:00.000001Z'],
    [-1n, '1969-12-31T23:59:59.999999Z'],
    [-1_000_000n, '1969-12-31T23:59:59Z'],
    [FIRST_US, '0000-01-01T00:00:00Z'],
    [LAST_US, '9999-12-31T23:59:59.999999Z'],
    [2n ** 63n - 1n, '+294247-01-10T04:00:54.775807Z'],
  ])('%d µs is %s', (us, text) => {
    expect(formatTimestamp(us)).toBe(text);
    if (us > -(2n ** 53n) && us < 2n ** 53n) expect(formatTimestampMicros(Number(us))).toBe(text);
  });

  it.each([
    '2024-01-01T00:00:00',
    '2024-01-01',
    '2024-01-01 00:00:00Z',
    '2024-1-01T00:00:00Z',
    '2024-13-01T00:00:00Z',
    '2024-00-01T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2024-04-31T00:00:00Z',
    '2024-04-00T00:00:00Z',
    '2024-01-01T24:00:00Z',
    '2024-01-01T00:60:00Z',
    '2024-01-01T00:00:60Z',
    '2024-01-01T00:00:00.Z',
    '2024-01-01T00:00:00.1234567Z',
    '2024-01-01T00:00:00.12',
    '2024-01-01T00:00:00Zx',
    '2024-01-01T00:00:00+0100',
    '2024-01-01T00:00:00+24:00',
    '2024-01-01T00:00:00+01:60',
    '0000-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
    '',
    '🕐',
  ])('refuses %j', text => {
    expect(parseTimestamp(text)).toBeUndefined();
  });
});
