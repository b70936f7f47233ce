/** Seeds of the two 32-bit lanes; fixed by the wire format. */
const SEEDS = [0x243f_6a88, 0x85a3_08d3] as const;

/**
 * Sum, modulo 2^64, of a 64-bit hash per (entity key, packed row): the same in any order of rows. It finds loss and
 * accident, not forgery. Lanes: MurmurHash3_x86_32 (Appleby) of key, then row.
 */
export class RowHashSum {
  #high = 0;
  #low = 0;

  /** Adds one row. */
  add(key: Uint8Array, row: Uint8Array): void {
    const high = murmur3(row, murmur3(key, SEEDS[0]));
    this.#low += murmur3(row, murmur3(key, SEEDS[1]));
    const carry = this.#low > 0xffff_ffff ? 1 : 0;
    this.#low >>>= 0;
    this.#high = (this.#high + high + carry) >>> 0;
  }

  /** The sum as 16 hexadecimal digits; 0 for no rows. */
  hex(): string {
    return this.#high.toString(16).padStart(8, '0') + this.#low.toString(16).padStart(8, '0');
  }
}

/** MurmurHash3_x86_32 of `bytes`: an unsigned 32-bit number. */
export function murmur3(bytes: Uint8Array, seed: number): number {
  const length = bytes.length;
  const whole = length & ~3;
  let hash = seed | 0;
  for (let i = 0; i < whole; i += 4) {
    const block =
      (bytes[i] ?? 0) |
      ((bytes[i + 1] ?? 0) << 8) |
      ((bytes[i + 2] ?? 0) << 16) |
      ((bytes[i + 3] ?? 0) << 24);
    hash ^= scramble(block);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe654_6b64) | 0;
  }
  let tail = 0;
  for (let i = length - 1; i >= whole; i--) tail = (tail << 8) | (bytes[i] ?? 0);
  if (length > whole) hash ^= scramble(tail);
  hash ^= length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(block: number): number {
  const mixed = Math.imul(block, 0xcc9e_2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b87_3593);
}
