import { assert } from './assert.ts';
import { MAX_CHUNK_ROWS, MAX_ENTITY_KEY_BYTES, MAX_ROW_BYTES } from './limits.ts';
import { malformedRow } from './packed-row.ts';
import { ProblemError, problem } from './problem.ts';

/** One row as it stands in a chunk: the encoded entity key and the packed row. */
export interface ChunkRow {
  readonly key: Uint8Array;
  readonly row: Uint8Array;
}

/** The chunk format written here. */
const FEED_CHUNK_VERSION = 1;

const CHUNK_HEADER_BYTES = 5;

/** Bytes that `encodeFeedChunk` makes of these rows. */
export function chunkBytes(rows: readonly ChunkRow[]): number {
  let bytes = CHUNK_HEADER_BYTES;
  for (const { key, row } of rows) bytes += 6 + key.length + row.length;
  return bytes;
}

/** One FEED message: version (1), row count (4, little-endian), per row key length (2), key, row length (4), row. */
export function encodeFeedChunk(rows: readonly ChunkRow[]): Uint8Array {
  assert(rows.length <= MAX_CHUNK_ROWS, 'a chunk holds at most MAX_CHUNK_ROWS rows');
  const bytes = new Uint8Array(chunkBytes(rows));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, FEED_CHUNK_VERSION);
  view.setUint32(1, rows.length, true);
  let at = CHUNK_HEADER_BYTES;
  for (const { key, row } of rows) {
    assert(
      key.length <= MAX_ENTITY_KEY_BYTES && row.length <= MAX_ROW_BYTES,
      'key and row are within their limits',
    );
    view.setUint16(at, key.length, true);
    bytes.set(key, at + 2);
    view.setUint32(at + 2 + key.length, row.length, true);
    bytes.set(row, at + 6 + key.length);
    at += 6 + key.length + row.length;
  }
  return bytes;
}

/** The rows of a chunk, in order, as views of `body` (no copies). Throws a ProblemError CORRUPT_DATA where the bytes are no chunk. */
export function decodeFeedChunk(body: Uint8Array): ChunkRow[] {
  if (body.length < CHUNK_HEADER_BYTES) throw corrupt('shorter than its header');
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (view.getUint8(0) !== FEED_CHUNK_VERSION) throw corrupt(`chunk format version ${view.getUint8(0)}`);
  const count = view.getUint32(1, true);
  if (count > MAX_CHUNK_ROWS) throw corrupt(`${count} rows`);
  const rows: ChunkRow[] = [];
  let at = CHUNK_HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    const keyAt = at + 2;
    if (keyAt > body.length) throw corrupt(`row ${i} is cut off`);
    const keyEnd = keyAt + view.getUint16(at, true);
    if (keyEnd + 4 > body.length) throw corrupt(`row ${i} is cut off`);
    const rowEnd = keyEnd + 4 + view.getUint32(keyEnd, true);
    if (rowEnd > body.length) throw corrupt(`row ${i} is cut off`);
    const row = body.subarray(keyEnd + 4, rowEnd);
    const reason = malformedRow(row);
    if (reason !== undefined) throw corrupt(`row ${i}: ${reason}`);
    rows.push({ key: body.subarray(keyAt, keyEnd), row });
    at = rowEnd;
  }
  if (at !== body.length) throw corrupt('bytes after the last row');
  return rows;
}

/** Number of rows of an encoded chunk, by its header alone; 0 where there is none. */
export function chunkRowCount(body: Uint8Array): number {
  if (body.length < CHUNK_HEADER_BYTES) return 0;
  return new DataView(body.buffer, body.byteOffset, body.byteLength).getUint32(1, true);
}

/** The first row of a chunk that is known to be whole, as a view; undefined where it has none. */
export function firstChunkRow(body: Uint8Array): Uint8Array | undefined {
  if (chunkRowCount(body) === 0) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const keyEnd = CHUNK_HEADER_BYTES + 2 + view.getUint16(CHUNK_HEADER_BYTES, true);
  return body.subarray(keyEnd + 4, keyEnd + 4 + view.getUint32(keyEnd, true));
}

function corrupt(reason: string): ProblemError {
  return new ProblemError(problem('CORRUPT_DATA', `feed chunk: ${reason}`));
}
