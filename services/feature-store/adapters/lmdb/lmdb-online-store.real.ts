import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onlineStoreConformance } from '@featuremesh/testkit/conformance/online-store-conformance';
import { LmdbOnlineStore } from './lmdb-online-store.ts';

onlineStoreConformance('lmdb', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fm-lmdb-'));
  const options = { path: join(folder, 'online'), maxTables: 8 };
  return {
    store: LmdbOnlineStore.open(options),
    reopen: async () => LmdbOnlineStore.open(options),
    maxTables: options.maxTables,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
});
