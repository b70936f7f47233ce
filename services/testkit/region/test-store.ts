import { CassandraOnlineStore } from '@featuremesh/feature-store/adapters/cassandra/cassandra-online-store';
import {
  testClient,
  testStoreOptions,
} from '@featuremesh/feature-store/adapters/cassandra/testing/test-store';
import { LmdbOnlineStore } from '@featuremesh/feature-store/adapters/lmdb/lmdb-online-store';
import type { OnlineStore } from '@featuremesh/feature-store/ports/online-store';
import type { StampBounds } from '@featuremesh/feature-store/ports/stamp-bounds';
import { sharedCluster } from '@featuremesh/infra/cassandra/testing/shared-cluster';
import { testProfile } from '@featuremesh/infra/local-mesh/testing/test-profile';

const MAX_TABLES = 64;

/** A test region's online store, empty, and its removal. */
export interface TestStore {
  readonly store: OnlineStore & StampBounds;
  readonly remove: () => Promise<void>;
}

/** Opens the store that the tests' profile names: LMDB at this path, or a keyspace of its own in the test run's Cassandra. */
export async function openTestStore(path: string): Promise<TestStore> {
  if (testProfile() === 'embedded') {
    const store = LmdbOnlineStore.open({ path, maxTables: MAX_TABLES });
    return { store, remove: () => store.close() };
  }
  const cluster = await sharedCluster();
  // Makes the role that the tests work as, where this test is the first.
  const client = await testClient(cluster);
  const options = testStoreOptions(cluster, { maxTables: MAX_TABLES });
  const store = new CassandraOnlineStore(options);
  await store.connect();
  const remove = async (): Promise<void> => {
    await store.close();
    await client.execute(`DROP KEYSPACE IF EXISTS ${options.keyspace}`, [], { prepare: false });
    await client.shutdown();
  };
  return { store, remove };
}
