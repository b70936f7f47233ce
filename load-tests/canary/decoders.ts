import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { decodeLinkRows } from '@featuremesh/contracts/link-batch-codec';
import { messageBlock } from './message-block.ts';
import { zstdFrameEnd } from './zstd-frame.ts';

/** Something that stood inside other bytes, taken out of its encoding. */
export interface InnerBytes {
  /** Where it began. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Takes bytes apart: everything of its format that stands anywhere in them, nothing where there is none. Pure. */
export interface Decoder {
  readonly name: string;
  /** Whether the inner bytes stand in the outer ones as they are, so that they need not be searched again. */
  readonly isView: boolean;
  inner(bytes: Uint8Array): Iterable<InnerBytes>;
}

/** More than any message or answer unpacks to; a bomb is not unpacked. */
const MAX_UNPACKED_BYTES = 64 * 1024 * 1024;
/** Shorter runs of such characters are names, hashes and signatures. */
const MIN_RUN_CHARACTERS = 100;
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b, 0x08]);

const zstd: Decoder = {
  name: 'zstd',
  isView: false,
  *inner(bytes) {
    for (const { at, frame } of zstdFrames(bytes)) {
      const unpacked = attempt(() => zstdDecompressSync(frame, { maxOutputLength: MAX_UNPACKED_BYTES }));
      if (unpacked !== undefined) yield { at, bytes: unpacked };
    }
  },
};

/** Rows of link batches, put together again from their columns. */
const linkRows: Decoder = {
  name: 'link rows',
  isView: false,
  *inner(bytes) {
    for (const { at, frame } of zstdFrames(bytes)) {
      const rows = decodeLinkRows(frame);
      if (rows.ok) yield { at, bytes: Buffer.concat(rows.value.flatMap(({ key, row }) => [key, row])) };
    }
  },
};

const gzip: Decoder = {
  name: 'gzip',
  isView: false,
  *inner(bytes) {
    for (const at of positions(bytes, GZIP_MAGIC)) {
      const unpacked = attempt(() => gunzipSync(bytes.subarray(at), { maxOutputLength: MAX_UNPACKED_BYTES }));
      if (unpacked !== undefined) yield { at, bytes: unpacked };
    }
  },
};

/** Long texts in base64, either alphabet; what is packed and then written so is met in no other way. */
const base64: Decoder = {
  name: 'base64',
  isView: false,
  inner: bytes => runs(bytes, isBase64, text => Buffer.from(text, 'base64')),
};

const hex: Decoder = {
  name: 'hex',
  isView: false,
  inner: bytes => runs(bytes, isHex, text => Buffer.from(text, 'hex')),
};

/** All decoders; each is tried on what the others gave. */
export const DECODERS: readonly Decoder[] = [
  { name: 'message block', isView: true, inner: messageBlock },
  zstd,
  linkRows,
  gzip,
  base64,
  hex,
];

function* zstdFrames(bytes: Uint8Array): Generator<{ at: number; frame: Uint8Array }> {
  for (const at of positions(bytes, ZSTD_MAGIC)) {
    const end = zstdFrameEnd(bytes, at);
    if (end !== undefined) yield { at, frame: bytes.subarray(at, end) };
  }
}

function* positions(bytes: Uint8Array, magic: Uint8Array): Generator<number> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = buffer.indexOf(magic); at >= 0; at = buffer.indexOf(magic, at + 1)) yield at;
}

/** Undefined where the bytes only looked as if they were packed; throws where they unpack to too much to be searched. */
function attempt(unpack: () => Uint8Array): Uint8Array | undefined {
  try {
    return unpack();
  } catch (error) {
    if (error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') throw error;
    return undefined;
  }
}

/** Long runs of such characters; one covers some position of every so many, so only those are looked at. */
function* runs(
  bytes: Uint8Array,
  table: Uint8Array,
  decode: (text: string) => Uint8Array,
): Generator<InnerBytes> {
  const isIn = (at: number): boolean => table[bytes[at] ?? 0] === 1;
  let end = 0;
  for (let at = MIN_RUN_CHARACTERS - 1; at < bytes.length; at = Math.max(at, end) + MIN_RUN_CHARACTERS) {
    if (!isIn(at)) continue;
    let from = at;
    while (from > end && isIn(from - 1)) from--;
    end = at + 1;
    while (end < bytes.length && isIn(end)) end++;
    if (end - from < MIN_RUN_CHARACTERS) continue;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, end - from).toString('latin1');
    yield { at: from, bytes: decode(text) };
  }
}

const isHex = characters('0123456789abcdefABCDEF');
const isBase64 = characters('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=');

function characters(all: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const character of all) table[character.charCodeAt(0)] = 1;
  return table;
}
