import type { InnerBytes } from './decoders.ts';

/** Length (4, LE; highest bit: has headers), sequence (8), time (8), length of the subject (2). */
const HEADER_BYTES = 22;
const CHECKSUM_BYTES = 8;
const HAS_HEADERS = 0x8000_0000;
/** A broker's record is a message with its subject and headers; nothing longer is one. */
const MAX_RECORD_BYTES = 16 * 1024 * 1024;

/**
 * The records of a JetStream message block file (`N.blk`), deleted ones that are still there included: subject, headers and message.
 * Nothing where the bytes are no such file from the first to the last record.
 */
export function messageBlock(bytes: Uint8Array): readonly InnerBytes[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const records: InnerBytes[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + HEADER_BYTES + CHECKSUM_BYTES > bytes.length) return [];
    const length = (view.getUint32(at, true) & ~HAS_HEADERS) >>> 0;
    const subjectBytes = view.getUint16(at + 20, true);
    const end = at + length;
    if (length > MAX_RECORD_BYTES || end > bytes.length) return [];
    if (HEADER_BYTES + subjectBytes + CHECKSUM_BYTES > length) return [];
    records.push({ at, bytes: bytes.subarray(at + HEADER_BYTES, end - CHECKSUM_BYTES) });
    at = end;
  }
  return records;
}
