/** A length of 15 goes on in further bytes, each up to 255. */
const LONG_LENGTH = 15;
const FULL_BYTE = 255;
/** Copies are at least this long. */
const MIN_COPY = 4;
const OFFSET_BYTES = 2;

/**
 * One block of LZ4 (github.com/lz4/lz4, doc/lz4_Block_format.md), unpacked to so many bytes. Throws a RangeError where the bytes are no
 * such block.
 */
export function unpackLz4(block: Uint8Array, unpackedBytes: number): Uint8Array {
  const unpacked = new Uint8Array(unpackedBytes);
  let at = 0;
  let to = 0;
  const byte = (): number => {
    const next = block[at++];
    if (next === undefined) throw new RangeError('the block ends within a sequence');
    return next;
  };
  const length = (short: number): number => {
    let sum = short;
    for (let more = short === LONG_LENGTH ? FULL_BYTE : 0; more === FULL_BYTE; ) {
      more = byte();
      sum += more;
    }
    return sum;
  };
  while (at < block.length) {
    const token = byte();
    const literals = length(token >> 4);
    if (at + literals > block.length || to + literals > unpackedBytes)
      throw new RangeError('literals beyond the end of the block');
    unpacked.set(block.subarray(at, at + literals), to);
    at += literals;
    to += literals;
    // The last sequence has no copy.
    if (at === block.length) break;
    if (at + OFFSET_BYTES > block.length) throw new RangeError('the block ends within an offset');
    const offset = byte() | (byte() << 8);
    const copied = length(token & LONG_LENGTH) + MIN_COPY;
    if (offset === 0 || offset > to || to + copied > unpackedBytes)
      throw new RangeError('a copy from outside the block');
    // Byte by byte: a copy may overlap what it writes.
    for (const end = to + copied; to < end; to += 1) unpacked[to] = unpacked[to - offset] ?? 0;
  }
  if (to !== unpackedBytes) throw new RangeError('the block unpacks to another length');
  return unpacked;
}
