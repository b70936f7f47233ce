const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;
const INTEGER = /^-?\d{1,20}$/;
/** So many characters of an integer are always a safe integer. */
const SAFE_CHARS = 15;
const FIRST_LARGE = 2 ** 31;
const THREE_DIGITS = Array.from({ length: 1000 }, (_, i) => `${i}`.padStart(3, '0'));

/** What is wrong with an int64 given as JSON: not one, or a number whose source text may have been another one. */
export type Int64Fault = 'INVALID_VALUE' | 'INT64_PRECISION';

/** An int64 given as a safe integer, a decimal string or a bigint: a Number where it is safe, else a bigint; else what is wrong. */
export function parseInt64(value: unknown): number | bigint | Int64Fault {
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return value;
    return Number.isInteger(value) ? 'INT64_PRECISION' : 'INVALID_VALUE';
  }
  if (typeof value === 'bigint') return narrow(value);
  if (typeof value !== 'string' || !INTEGER.test(value)) return 'INVALID_VALUE';
  return value.length <= SAFE_CHARS ? Number(value) : narrow(BigInt(value));
}

/** Decimal text of the int64 whose upper half (signed) and lower half (unsigned) are given. */
export function formatInt64(high: number, low: number): string {
  const near = high * 0x1_0000_0000 + low;
  if (!Number.isSafeInteger(near)) return `${(BigInt(high) << 32n) | BigInt(low)}`;
  // Engines print numbers beyond 31 bits by the slow path for doubles; ids and clocks are mostly of this size.
  if (near < FIRST_LARGE) return `${near}`;
  const millions = Math.floor(near / 1_000_000);
  const rest = near - millions * 1_000_000;
  return `${millions}${THREE_DIGITS[Math.floor(rest / 1000)]}${THREE_DIGITS[rest % 1000]}`;
}

/** Writes 8 bytes of an int64 that `parseInt64` returned. */
export function writeInt64(view: DataView, at: number, value: number | bigint, littleEndian: boolean): void {
  if (typeof value === 'bigint') {
    view.setBigInt64(at, value, littleEndian);
    return;
  }
  const high = Math.floor(value / 0x1_0000_0000);
  view.setInt32(littleEndian ? at + 4 : at, high, littleEndian);
  // Not by a shift, which is slow for numbers beyond 32 bits.
  view.setUint32(littleEndian ? at : at + 4, value - high * 0x1_0000_0000, littleEndian);
}

function narrow(value: bigint): number | bigint | Int64Fault {
  if (value < MIN_INT64 || value > MAX_INT64) return 'INVALID_VALUE';
  const near = Number(value);
  return Number.isSafeInteger(near) ? near : value;
}
