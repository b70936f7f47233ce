import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';

/** Rows of the environment that is read: those of the feed's articles and some of its users. */
const ROWS = 30_000;
/** Bytes of a packed row of ten floats: header, null bitmap, values. */
const ROW_BYTES = 56 + 2 + 80;
const KEY_DIGITS = 8;
/** Without a factor of the number of rows, so that keys are read in no order of theirs. */
const STRIDE = 7_919;
const ROUNDS = 4;
const ROUND_MS = 300;

/** The most slates of `keys` rows a second of processor time that LMDB gives, doing nothing with them; an environment of its own, the best of four rounds. */
export async function rawSlateReads(keys: number): Promise<number> {
  const path = mkdtempSync(join(tmpdir(), 'featuremesh-raw-'));
  const database = open<Buffer, Uint8Array>({ path, keyEncoding: 'binary', encoding: 'binary' });
  try {
    await database.transaction(() => {
      for (let i = 0; i < ROWS; i++) database.putSync(keyOf(i), Buffer.alloc(ROW_BYTES, i));
    });
    const wanted = Array.from({ length: ROWS }, (_, i) => keyOf((i * STRIDE) % ROWS));
    let most = 0;
    for (let round = 0; round < ROUNDS; round++) most = Math.max(most, slatesPerS(database, wanted, keys));
    return most;
  } finally {
    await database.close();
    rmSync(path, { recursive: true, force: true });
  }
}

function slatesPerS(
  database: RootDatabase<Buffer, Uint8Array>,
  wanted: readonly Uint8Array[],
  keys: number,
): number {
  const before = process.cpuUsage();
  const tookMs = (): number => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  };
  let at = 0;
  let slates = 0;
  while (tookMs() < ROUND_MS) {
    database.resetReadTxn();
    for (let i = 0; i < keys; i++) {
      const key = wanted[at++ % wanted.length];
      if (key !== undefined) database.getBinaryFast(key);
    }
    slates += 1;
  }
  return (slates / tookMs()) * 1_000;
}

function keyOf(i: number): Uint8Array {
  return Buffer.from(`\0\u0009a${String(i).padStart(KEY_DIGITS, '0')}`, 'latin1');
}
