import { join } from 'node:path';
import type { RegionConfig } from '@featuremesh/contracts/region-config';
import { open } from 'lmdb';

const MAX_DATABASES = 64;

/** Puts a pair into the first named database of a region's environment that begins with `database`. Throws where there is none. */
export async function putPair(
  config: RegionConfig,
  environment: 'online' | 'registry',
  pair: { readonly database: string; readonly key: string; readonly value: Uint8Array },
): Promise<void> {
  const path = join(config.dataDir, 'lmdb', environment);
  const root = open<unknown, string>({ path, noSubdir: false, maxDbs: MAX_DATABASES });
  try {
    const name = [...root.getKeys()].find(one => String(one).startsWith(pair.database));
    if (name === undefined) throw new RangeError(`no database ${pair.database} in ${environment}`);
    const database = root.openDB<Buffer, Buffer>({ name, encoding: 'binary', keyEncoding: 'binary' });
    await database.put(Buffer.from(pair.key), Buffer.from(pair.value));
  } finally {
    await root.close();
  }
}
