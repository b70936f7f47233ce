const MAGIC_BYTES = 4;
const BLOCK_HEADER_BYTES = 3;
const DICTIONARY_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

/**
 * Where the zstd frame that begins at `at` ends, told by its block headers without unpacking; undefined where it is cut off or is
 * none (RFC 8878, 3.1.1). Frames stand in logs and streams with other bytes behind them.
 */
export function zstdFrameEnd(bytes: Uint8Array, at: number): number | undefined {
  const descriptor = bytes[at + MAGIC_BYTES];
  if (descriptor === undefined || (descriptor & 0x08) !== 0) return undefined;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 && isSingleSegment ? 1 : (CONTENT_SIZE_BYTES[sizeFlag] ?? 0);
  let end =
    at + MAGIC_BYTES + 1 + (isSingleSegment ? 0 : 1) + (DICTIONARY_BYTES[descriptor & 0x03] ?? 0) + sizeBytes;
  for (;;) {
    if (end + BLOCK_HEADER_BYTES > bytes.length) return undefined;
    const header = (bytes[end] ?? 0) | ((bytes[end + 1] ?? 0) << 8) | ((bytes[end + 2] ?? 0) << 16);
    const type = (header >> 1) & 0x03;
    if (type === 3) return undefined;
    // A run of one byte is stored as that byte.
    end += BLOCK_HEADER_BYTES + (type === 1 ? 1 : header >> 3);
    if ((header & 1) === 1) break;
  }
  if ((descriptor & 0x04) !== 0) end += 4;
  return end <= bytes.length ? end : undefined;
}
