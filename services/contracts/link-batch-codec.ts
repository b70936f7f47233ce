import { createHash } from 'node:crypto';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { assert } from '@featuremesh/domain/assert';
import { canonicalJson } from '@featuremesh/domain/canonical-json';
import type { ChunkRow } from '@featuremesh/domain/feed-chunk';
import {
  MAX_ENTITY_KEY_BYTES,
  MAX_LINK_BATCH_ROWS,
  MAX_PAYLOAD_BYTES,
  MAX_ROW_BYTES,
} from '@featuremesh/domain/limits';
import { malformedRow, ROW_HEADER_BYTES } from '@featuremesh/domain/packed-row';
import { type Problem, problem } from '@featuremesh/domain/problem';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { RowHashSum } from '@featuremesh/domain/row-hash';
import { type LinkEnvelope, linkEnvelopeSchema } from './link-envelope.ts';

/** A message of OUT: envelope and encoded rows. */
export interface LinkMessage {
  readonly envelope: LinkEnvelope;
  /** What `encodeLinkRows` gave; empty without rows. */
  readonly body: Uint8Array;
}

/** Version of the encoded rows. */
const LINK_ROWS_VERSION = 1;

/** zstd's own default: at 5 and above the exporter's CPU costs more than the bytes it saves. */
const ZSTD_LEVEL = 3;
const ROWS_HEADER_BYTES = 5;
/** Key length (2) and payload length (2) per row. */
const LENGTHS_BYTES = 4;
const MAX_ENVELOPE_BYTES = 4 * 1024 * 1024;

/**
 * Rows column-wise, then zstd: version (1), count (4, LE), the row headers transposed byte by byte, the key lengths and payload
 * lengths (2 each, LE) transposed alike, the keys, the payloads. No rows give no bytes.
 */
export function encodeLinkRows(rows: readonly ChunkRow[]): Uint8Array {
  assert(rows.length <= MAX_LINK_BATCH_ROWS, 'a link batch holds at most MAX_LINK_BATCH_ROWS rows');
  if (rows.length === 0) return new Uint8Array();
  const count = rows.length;
  let length = ROWS_HEADER_BYTES + count * (ROW_HEADER_BYTES + LENGTHS_BYTES);
  const keysAt = length;
  for (const { key, row } of rows) length += key.length + row.length - ROW_HEADER_BYTES;
  const bytes = new Uint8Array(length);
  bytes[0] = LINK_ROWS_VERSION;
  new DataView(bytes.buffer).setUint32(1, count, true);
  let at = keysAt;
  rows.forEach(({ key, row }, r) => {
    const payloadBytes = row.length - ROW_HEADER_BYTES;
    for (let i = 0; i < ROW_HEADER_BYTES; i++) bytes[ROWS_HEADER_BYTES + i * count + r] = row[i] ?? 0;
    const lengthsAt = ROWS_HEADER_BYTES + ROW_HEADER_BYTES * count + r;
    bytes[lengthsAt] = key.length & 0xff;
    bytes[lengthsAt + count] = key.length >> 8;
    bytes[lengthsAt + 2 * count] = payloadBytes & 0xff;
    bytes[lengthsAt + 3 * count] = payloadBytes >> 8;
    bytes.set(key, at);
    at += key.length;
  });
  for (const { row } of rows) {
    bytes.set(row.subarray(ROW_HEADER_BYTES), at);
    at += row.length - ROW_HEADER_BYTES;
  }
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } });
}

/** The rows of a body, byte-identical to those encoded. Problem CORRUPT_DATA where the bytes are none; bounded in memory. */
export function decodeLinkRows(body: Uint8Array): Result<ChunkRow[]> {
  if (body.length === 0) return ok([]);
  let bytes: Uint8Array;
  try {
    bytes = zstdDecompressSync(body, { maxOutputLength: MAX_PAYLOAD_BYTES });
  } catch {
    return fail(corrupt('not decompressible'));
  }
  if (bytes.length < ROWS_HEADER_BYTES || bytes[0] !== LINK_ROWS_VERSION)
    return fail(corrupt('unknown format version'));
  const count = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1, true);
  const keysAt = ROWS_HEADER_BYTES + count * (ROW_HEADER_BYTES + LENGTHS_BYTES);
  if (count > MAX_LINK_BATCH_ROWS || keysAt > bytes.length) return fail(corrupt('cut off'));
  const column = (i: number, r: number): number => bytes[ROWS_HEADER_BYTES + i * count + r] ?? 0;
  const length16 = (i: number, r: number): number => column(i, r) | (column(i + 1, r) << 8);
  let payloadAt = keysAt;
  for (let r = 0; r < count; r++) payloadAt += length16(ROW_HEADER_BYTES, r);
  let keyAt = keysAt;
  let rowAt = 0;
  const rows: ChunkRow[] = [];
  if (payloadAt > bytes.length) return fail(corrupt('cut off'));
  // One buffer for all rows: allocating each by itself costs more than decoding it.
  const rowBytes = new Uint8Array(count * ROW_HEADER_BYTES + bytes.length - payloadAt);
  for (let r = 0; r < count; r++) {
    const keyEnd = keyAt + length16(ROW_HEADER_BYTES, r);
    const payloadEnd = payloadAt + length16(ROW_HEADER_BYTES + 2, r);
    if (payloadEnd > bytes.length || keyEnd - keyAt > MAX_ENTITY_KEY_BYTES) return fail(corrupt('cut off'));
    const rowEnd = rowAt + ROW_HEADER_BYTES + payloadEnd - payloadAt;
    const row = rowBytes.subarray(rowAt, rowEnd);
    for (let i = 0; i < ROW_HEADER_BYTES; i++) row[i] = column(i, r);
    row.set(bytes.subarray(payloadAt, payloadEnd), ROW_HEADER_BYTES);
    const reason = row.length > MAX_ROW_BYTES ? 'too long' : malformedRow(row);
    if (reason !== undefined) return fail(corrupt(`row ${r}: ${reason}`));
    rows.push({ key: bytes.subarray(keyAt, keyEnd), row });
    keyAt = keyEnd;
    rowAt = rowEnd;
    payloadAt = payloadEnd;
  }
  return payloadAt === bytes.length ? ok(rows) : fail(corrupt('bytes after the last row'));
}

/** Row-hash sum, 16 hexadecimal digits, the same in any order. */
export function rowHashSum(rows: readonly ChunkRow[]): string {
  const sum = new RowHashSum();
  for (const { key, row } of rows) sum.add(key, row);
  return sum.hex();
}

/** Chain hash of a batch: SHA-256 (hex) over the envelope's canonical JSON, which holds the previous hash, and the body. */
export function linkBatchHash(message: LinkMessage): string {
  return createHash('sha256').update(canonicalJson(message.envelope)).update(message.body).digest('hex');
}

/** The whole message: envelope length (4, LE), envelope as canonical JSON, body. */
export function encodeLinkMessage(message: LinkMessage): Uint8Array {
  const envelope = Buffer.from(canonicalJson(message.envelope));
  assert(envelope.length <= MAX_ENVELOPE_BYTES, 'the envelope is within its limit');
  const bytes = new Uint8Array(4 + envelope.length + message.body.length);
  new DataView(bytes.buffer).setUint32(0, envelope.length, true);
  bytes.set(envelope, 4);
  bytes.set(message.body, 4 + envelope.length);
  return bytes;
}

/** Envelope (parsed) and body (a view) of a message; the rows are not decoded yet. Problem CORRUPT_DATA where it is none. */
export function decodeLinkMessage(bytes: Uint8Array): Result<LinkMessage> {
  if (bytes.length < 4) return fail(corrupt('shorter than its header'));
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (length > MAX_ENVELOPE_BYTES || 4 + length > bytes.length) return fail(corrupt('envelope is cut off'));
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + 4, length).toString('utf8'));
  } catch {
    return fail(corrupt('envelope is no JSON'));
  }
  const parsed = linkEnvelopeSchema.safeParse(json);
  if (parsed.success) return ok({ envelope: parsed.data, body: bytes.subarray(4 + length) });
  const issues = parsed.error.issues.map(issue => ({
    path: `envelope.${issue.path.join('.')}`,
    message: issue.message,
  }));
  return fail(problem('CORRUPT_DATA', 'link message: the envelope is not of version 1', { issues }));
}

function corrupt(reason: string): Problem {
  return problem('CORRUPT_DATA', `link batch: ${reason}`);
}
