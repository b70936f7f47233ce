import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { ProblemError, problem } from '@featuremesh/domain/problem';

/** Of LMDB's own files: the mark and the version that each of the first two pages bears, and where. */
const MAGIC = 0xbeef_c0de;
const VERSION = 2;
const AT = { magic: 24, version: 28, pageBytes: 48, freeRoot: 88, mainRoot: 136, transaction: 152 };
const META_BYTES = 160;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/**
 * Throws CORRUPT_DATA where an environment's file is there and is none of LMDB's, or ends before the pages that all else hangs on: LMDB
 * maps what it is given into memory, so that opening such a file ends the process. Damage further inside is not seen.
 */
export function assertLmdbFile(folder: string): void {
  const path = join(folder, 'data.mdb');
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    if (size > 0 && !isWhole(file, size)) throw new ProblemError(problem('CORRUPT_DATA', damaged(path)));
  } finally {
    closeSync(file);
  }
}

function isWhole(file: number, size: number): boolean {
  const first = metaAt(file, 0);
  if (first === undefined) return false;
  const second = metaAt(file, first.pageBytes);
  if (second === undefined) return false;
  const { roots } = second.transaction > first.transaction ? second : first;
  const pages = BigInt(Math.floor(size / first.pageBytes));
  return roots.every(root => root === NO_PAGE || root < pages);
}

interface Meta {
  readonly pageBytes: number;
  readonly transaction: bigint;
  readonly roots: readonly bigint[];
}

function metaAt(file: number, offset: number): Meta | undefined {
  const bytes = Buffer.alloc(META_BYTES);
  if (readSync(file, bytes, 0, META_BYTES, offset) < META_BYTES) return undefined;
  if (bytes.readUInt32LE(AT.magic) !== MAGIC || bytes.readUInt32LE(AT.version) !== VERSION) return undefined;
  return {
    pageBytes: bytes.readUInt32LE(AT.pageBytes),
    transaction: bytes.readBigUInt64LE(AT.transaction),
    roots: [bytes.readBigUInt64LE(AT.freeRoot), bytes.readBigUInt64LE(AT.mainRoot)],
  };
}

function damaged(path: string): string {
  return `${path} is damaged: it is no file of LMDB, or only its beginning; move its folder away and start again`;
}
