import { unpackLz4 } from './lz4-block.ts';

const LZ4 = 'LZ4Compressor';
/** Behind each chunk stands its checksum; before its block the length that it unpacks to. */
const CHECKSUM_BYTES = 4;
const LENGTH_BYTES = 4;

/** Where the chunks of an SSTable's `-Data.db` begin, and how long they are, from its `-CompressionInfo.db`. */
interface ChunkIndex {
  readonly compressor: string;
  /** A chunk that would be longer packed is stored as it is. */
  readonly maxPackedBytes: number;
  readonly offsets: readonly number[];
}

/**
 * The rows of an SSTable as they were before they were packed: all chunks of `-Data.db` in order. Format of Cassandra 4 and 5
 * (`CompressionMetadata`). Throws a TypeError for another compressor, a RangeError where the two files do not fit.
 */
export function unpackSstable(data: Uint8Array, compressionInfo: Uint8Array): Uint8Array {
  const { compressor, maxPackedBytes, offsets } = readIndex(compressionInfo);
  if (!compressor.endsWith(LZ4)) throw new TypeError(`SSTables packed by ${compressor} are not read here`);
  const chunks = offsets.map((from, index) => {
    const end = (offsets[index + 1] ?? data.length) - CHECKSUM_BYTES;
    if (end < from || end > data.length) throw new RangeError('a chunk beyond the end of its file');
    const packed = data.subarray(from, end);
    if (packed.length >= maxPackedBytes) return packed;
    const unpackedBytes = viewOf(packed).getInt32(0, true);
    return unpackLz4(packed.subarray(LENGTH_BYTES), unpackedBytes);
  });
  return Buffer.concat(chunks);
}

/** Name (length, text), options (count; name and value each), chunk length, longest packed chunk, data length, count, offsets: big-endian. */
function readIndex(bytes: Uint8Array): ChunkIndex {
  const view = viewOf(bytes);
  let at = 0;
  const int = (): number => {
    at += 4;
    return view.getInt32(at - 4);
  };
  const long = (): number => {
    at += 8;
    return Number(view.getBigInt64(at - 8));
  };
  const text = (): string => {
    const length = view.getUint16(at);
    at += 2 + length;
    return Buffer.from(bytes.subarray(at - length, at)).toString();
  };
  const compressor = text();
  for (let options = int(); options > 0; options -= 1) {
    text();
    text();
  }
  int();
  const maxPackedBytes = int();
  long();
  const count = int();
  return { compressor, maxPackedBytes, offsets: Array.from({ length: count }, long) };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
