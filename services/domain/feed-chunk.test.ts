import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ChunkRow, decodeFeedChunk, encodeFeedChunk } from './feed-chunk.ts';
import { MAX_CHUNK_ROWS, MAX_ENTITY_KEY_BYTES, MAX_PAYLOAD_BYTES, MAX_ROW_BYTES } from './limits.ts';
import { ProblemError } from './problem.ts';
import { regionId } from './region-id.ts';
import { RowPacker } from './row-packer.ts';

const deletion = new RowPacker([], 1, regionId('us-east-1')).packDeletion({
  eventTimeUs: 1n,
  createdTimeUs: 2n,
  stamp: { physicalUs: 3n, counter: 0, slot: 0 },
});

/** A live row: the header of a deletion without its flag, and any payload. */
function row(payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(deletion.length + payload.length);
  bytes.set(deletion);
  bytes[53] = 0;
  bytes.set(payload, deletion.length);
  return bytes;
}

const rows: fc.Arbitrary<ChunkRow[]> = fc.array(
  fc.record({ key: fc.uint8Array({ maxLength: 40 }), row: fc.uint8Array({ maxLength: 60 }).map(row) }),
  { maxLength: 20 },
);

const plain = (chunk: readonly ChunkRow[]): number[][][] => chunk.map(({ key, row }) => [[...key], [...row]]);

describe('feed chunk', () => {
  it('gives back the rows in order, wherever the bytes lie', () => {
    fc.assert(
      fc.property(rows, fc.nat(9), (chunk, offset) => {
        const bytes = encodeFeedChunk(chunk);
        const pool = new Uint8Array(bytes.length + offset);
        pool.set(bytes, offset);
        expect(plain(decodeFeedChunk(pool.subarray(offset)))).toEqual(plain(chunk));
      }),
    );
  });

  it('refuses every cut, every addition, and answers no other error', () => {
    const bytes = encodeFeedChunk([
      { key: Uint8Array.of(1), row: row(Uint8Array.of(9)) },
      { key: Uint8Array.of(2, 3), row: deletion },
    ]);
    for (let end = 0; end < bytes.length; end++) {
      expect(() => decodeFeedChunk(bytes.subarray(0, end)), `cut at ${end}`).toThrow(ProblemError);
    }
    expect(() => decodeFeedChunk(Uint8Array.of(...bytes, 0))).toThrow('bytes after the last row');
  });

  it('survives any bytes: rows or CORRUPT_DATA', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), noise => {
        noise[0] = 1;
        try {
          expect(Array.isArray(decodeFeedChunk(noise))).toBe(true);
        } catch (error) {
          expect(error instanceof ProblemError && error.problem.code).toBe('CORRUPT_DATA');
        }
      }),
    );
  });

  it('refuses another version, more rows than a chunk may hold, and rows that are none', () => {
    const bytes = encodeFeedChunk([{ key: Uint8Array.of(1), row: deletion }]);
    const changed = (at: number, value: number): Uint8Array => bytes.with(at, value);
    expect(() => decodeFeedChunk(changed(0, 2))).toThrow('chunk format version 2');
    expect(() => decodeFeedChunk(changed(2, 0xff))).toThrow('rows');
    expect(() => decodeFeedChunk(changed(12 + 52, 2))).toThrow('row 0: format version 2');
    expect(() => decodeFeedChunk(changed(12 + 53, 2))).toThrow('row 0: unknown flags');
    expect(() => decodeFeedChunk(changed(12 + 55, 0))).toThrow('row 0: revision 0');
  });

  it('a full chunk of the longest rows fits the broker’s payload', () => {
    const longest = {
      key: new Uint8Array(MAX_ENTITY_KEY_BYTES),
      row: row(new Uint8Array(MAX_ROW_BYTES - 56)),
    };
    const bytes = encodeFeedChunk(new Array(MAX_CHUNK_ROWS).fill(longest));
    expect(bytes.length).toBeLessThan(MAX_PAYLOAD_BYTES);
    expect(() => encodeFeedChunk(new Array(MAX_CHUNK_ROWS + 1).fill(longest))).toThrow('assertion failed');
  });
});
