import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CassandraOnlineStore } from '@featuremesh/feature-store/adapters/cassandra/cassandra-online-store';
import {
  testClient,
  testStoreOptions,
} from '@featuremesh/feature-store/adapters/cassandra/testing/test-store';
import { LmdbOnlineStore } from '@featuremesh/feature-store/adapters/lmdb/lmdb-online-store';
import type { OnlineStore } from '@featuremesh/feature-store/ports/online-store';
import type { StampBounds } from '@featuremesh/feature-store/ports/stamp-bounds';
import { sharedCluster } from '@featuremesh/infra/cassandra/testing/shared-cluster';
import type { MeshProfile } from '@featuremesh/infra/local-mesh/profile';
import { testProfile } from '@featuremesh/infra/local-mesh/testing/test-profile';

const MAX_TABLES = 64;

/** A test region's online store; `forget`: once it is closed, takes away what it kept, unless it was to be kept. */
export interface TestStore {
  readonly store: OnlineStore & StampBounds;
  readonly forget: () => Promise<void>;
}

/**
 * Opens the store that the profile names, that of the tests where none is given: LMDB at this path, or a keyspace in the test run's
 * Cassandra; `kept`: the same at every call with the path, also by other processes, and still there when it was closed.
 */
export async function openTestStore(
  path: string,
  { profile = testProfile(), kept = false }: { profile?: MeshProfile | undefined; kept?: boolean } = {},
): Promise<TestStore> {
  if (profile === 'embedded') {
    const store = LmdbOnlineStore.open({ path, maxTables: MAX_TABLES });
    return { store, forget: async () => undefined };
  }
  const cluster = await sharedCluster();
  // Makes the role that the tests work as, where this test is the first.
  const client = await testClient(cluster);
  const keyspace = kept ? { keyspace: keyspaceAt(path) } : {};
  const options = testStoreOptions(cluster, { maxTables: MAX_TABLES, ...keyspace });
  const store = new CassandraOnlineStore(options);
  await store.connect();
  const forget = async (): Promise<void> => {
    if (!kept) await client.execute(`DROP KEYSPACE IF EXISTS ${options.keyspace}`, [], { prepare: false });
    await client.shutdown();
  };
  return { store, forget };
}

/** Loses all that a store kept at this path holds, while nobody has it open. */
export async function loseTestStore(path: string): Promise<void> {
  if (testProfile() === 'embedded') {
    await rm(path, { recursive: true });
    return;
  }
  const client = await testClient(await sharedCluster());
  await client.execute(`DROP KEYSPACE ${keyspaceAt(path)}`, [], { prepare: false });
  await client.shutdown();
}

function keyspaceAt(path: string): string {
  return `k_${createHash('sha256').update(path).digest('hex').slice(0, 20)}`;
}

/** What a test's region.yaml says of its store, and the removal of what was kept there. */
export interface TestStoreSection {
  /** Lines of region.yaml; none leaves LMDB. */
  readonly yaml: string;
  /** Takes all that it holds away, as where its files are lost; of an embedded store, while no process of the region runs. */
  readonly lose: () => Promise<void>;
  readonly remove: () => Promise<void>;
}

/** The store of a region whose services run as processes, by a profile; `folder`: the region's, with `keys`, which gets the password. */
export async function testStoreSection(folder: string, profile: MeshProfile): Promise<TestStoreSection> {
  if (profile === 'embedded')
    return {
      yaml: 'store: {type: lmdb}\n',
      lose: () => rm(join(folder, 'data', 'lmdb', 'online'), { recursive: true }),
      remove: async () => undefined,
    };
  const cluster = await sharedCluster();
  const client = await testClient(cluster);
  const { keyspace, credentials } = testStoreOptions(cluster);
  await writeFile(join(folder, 'keys', 'cassandra.password'), `${credentials?.password ?? ''}\n`, {
    mode: 0o600,
  });
  const section = {
    type: 'cassandra',
    contactPoints: cluster.nodes.map(({ address }) => `${address}:${cluster.plan.cqlPort}`),
    localDataCentre: 'dc1',
    keyspace,
    credentials: { username: credentials?.username ?? '', passwordFile: 'keys/cassandra.password' },
    tls: { ca: cluster.certificatePath },
  };
  const lose = async (): Promise<void> => {
    await client.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`, [], { prepare: false });
  };
  const remove = async (): Promise<void> => {
    await lose();
    await client.shutdown();
  };
  return { lose, yaml: `store: ${JSON.stringify(section)}\n`, remove };
}
