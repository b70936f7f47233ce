import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unpackLz4 } from './lz4-block.ts';
import { unpackSstable } from './sstable-rows.ts';

interface Sequence {
  readonly literals: Uint8Array;
  /** Shares of what is written so far, and a length: what is copied from there. */
  readonly back: number;
  readonly copied: number;
}

const sequences = fc.array(
  fc.record({
    literals: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    back: fc.double({ min: 0, max: 1, noNaN: true }),
    copied: fc.integer({ min: 4, max: 600 }),
  }),
  { minLength: 1, maxLength: 8 },
);

/** A block of these sequences and what it unpacks to; the last one has literals only, as the format wants. */
function blockOf(parts: readonly Sequence[]): { block: Buffer; text: Buffer } {
  const block: number[] = [];
  const text: number[] = [];
  const more = (length: number): number[] => {
    if (length < 15) return [];
    const rest = length - 15;
    return [...Array.from({ length: Math.floor(rest / 255) }, () => 255), rest % 255];
  };
  parts.forEach(({ literals, back, copied }, index) => {
    const isLast = index === parts.length - 1;
    text.push(...literals);
    const copyLength = isLast ? 0 : copied - 4;
    block.push((Math.min(literals.length, 15) << 4) | Math.min(copyLength, 15));
    block.push(...more(literals.length), ...literals);
    if (isLast) return;
    const offset = 1 + Math.floor(back * (text.length - 1));
    block.push(offset & 255, offset >> 8, ...more(copyLength));
    for (let at = 0; at < copied; at += 1) text.push(text[text.length - offset] ?? 0);
  });
  return { block: Buffer.from(block), text: Buffer.from(text) };
}

/** The two files of an SSTable with these chunks; one that is no shorter when packed is stored as it is. */
function sstableOf(chunks: readonly (readonly Sequence[])[], maxPackedBytes: number, compressor: string) {
  const int = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  };
  const text = (value: string): Buffer => Buffer.concat([int(value.length).subarray(2), Buffer.from(value)]);
  const offsets: Buffer[] = [];
  const data: Buffer[] = [];
  for (const parts of chunks) {
    const { block, text: plain } = blockOf(parts);
    offsets.push(Buffer.concat([int(0), int(Buffer.concat(data).length)]));
    const packed = Buffer.concat([int(plain.length).reverse(), block]);
    data.push(packed.length < maxPackedBytes ? packed : plain, Buffer.from('crc!'));
  }
  const options = [int(1), text('chunk_length_in_kb'), text('16')];
  const sizes = [int(16_384), int(maxPackedBytes), int(0), int(0), int(chunks.length)];
  return {
    data: Buffer.concat(data),
    info: Buffer.concat([text(compressor), ...options, ...sizes, ...offsets]),
    plain: Buffer.concat(chunks.map(parts => blockOf(parts).text)),
  };
}

describe('what is packed with LZ4', () => {
  test('any literals and copies, overlapping ones too, unpack to what they stand for', () => {
    fc.assert(
      fc.property(sequences, parts => {
        const { block, text } = blockOf(parts);
        expect(Buffer.from(unpackLz4(block, text.length))).toEqual(text);
      }),
    );
  });

  test('bytes that are no block are refused, and nothing is read or written outside of it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(256), (bytes, length) => {
        try {
          expect(unpackLz4(bytes, length)).toHaveLength(length);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});

describe('SSTables', () => {
  test('the chunks of one are put together in order, those that did not shrink as they are', () => {
    fc.assert(
      fc.property(
        fc.array(sequences, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 50, max: 4_000 }),
        (chunks, maxPackedBytes) => {
          // Stored as it is: no shorter than the limit, or it would be taken for a packed one.
          fc.pre(
            chunks.every(parts => {
              const { block, text } = blockOf(parts);
              return block.length + 4 < maxPackedBytes || text.length >= maxPackedBytes;
            }),
          );
          const { data, info, plain } = sstableOf(chunks, maxPackedBytes, 'LZ4Compressor');
          expect(Buffer.from(unpackSstable(data, info))).toEqual(plain);
        },
      ),
    );
  });

  test('another compressor is said, not searched as if it held nothing', () => {
    const { data, info } = sstableOf([[]], 100, 'ZstdCompressor');
    expect(() => unpackSstable(data, info)).toThrow(/ZstdCompressor/);
  });
});
