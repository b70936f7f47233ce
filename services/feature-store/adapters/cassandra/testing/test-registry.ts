import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONFORMANCE_ROSTER } from '@featuremesh/testkit/conformance/registry-conformance';
import { LmdbRegistryCopy } from '../../lmdb/lmdb-registry-copy.ts';
import type { CassandraStoreOptions } from '../cassandra-options.ts';
import { CassandraRegistry } from '../cassandra-registry.ts';

/** One machine of a region: its processes share a copy of the registry. */
export interface RegistryMachine {
  readonly open: () => Promise<CassandraRegistry>;
  readonly remove: () => Promise<void>;
}

/** A machine whose copy is empty, with the registry of the options' keyspace. */
export async function registryMachine(cassandra: CassandraStoreOptions): Promise<RegistryMachine> {
  const folder = await mkdtemp(join(tmpdir(), 'fm-registry-copy-'));
  return {
    open: () =>
      CassandraRegistry.open({
        cassandra,
        roster: CONFORMANCE_ROSTER,
        copy: LmdbRegistryCopy.open(folder),
      }),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
