import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { assertLmdbFile } from './lmdb-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fm-lmdb-file-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const file = (): string => join(folder, 'data.mdb');

async function environment(records: number): Promise<void> {
  const root = open({ path: folder, encoding: 'json', overlappingSync: false });
  const database = root.openDB({ name: 'some', encoding: 'json' });
  for (let at = 0; at < records; at += 1) database.putSync(`k${at}`, { at, text: 'x'.repeat(100) });
  await root.close();
}

test('a folder without a file, and files that LMDB wrote, are whole', async () => {
  assertLmdbFile(folder);
  await environment(0);
  assertLmdbFile(folder);
  await environment(400);
  assertLmdbFile(folder);
});

test('another file, zeros, and the beginning of a file are damaged', async () => {
  for (const fill of ['no registry', '\0']) {
    await writeFile(file(), Buffer.alloc(65_536, fill));
    expect(() => assertLmdbFile(folder)).toThrow(
      expect.objectContaining({ problem: expect.objectContaining({ code: 'CORRUPT_DATA' }) }),
    );
  }
  await rm(file());
  await environment(400);
  for (const bytes of [3 * 4_096, 4_096, 100]) {
    await truncate(file(), bytes);
    expect(() => assertLmdbFile(folder)).toThrow(
      expect.objectContaining({ problem: expect.objectContaining({ code: 'CORRUPT_DATA' }) }),
    );
  }
});
