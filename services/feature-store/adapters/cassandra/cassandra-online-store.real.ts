import { sharedCluster } from '@featuremesh/infra/cassandra/testing/shared-cluster';
import { onlineStoreConformance } from '@featuremesh/testkit/conformance/online-store-conformance';
import { TABLE } from '@featuremesh/testkit/conformance/store-subject';
import type { Client } from 'cassandra-driver';
import { afterAll } from 'vitest';
import { CassandraOnlineStore } from './cassandra-online-store.ts';
import type { CassandraStoreOptions } from './cassandra-options.ts';
import { nameOfTable, tableOfName } from './table-statements.ts';
import { testClient, testStoreOptions } from './testing/test-store.ts';

/** Each costs half a second to make. */
const MAX_TABLES = 4;

/** One keyspace for all tests of the suite, emptied after each: making one takes a second. */
let shared: { readonly options: CassandraStoreOptions; readonly client: Client } | undefined;

afterAll(async () => {
  if (shared === undefined) return;
  await shared.client.execute(`DROP KEYSPACE IF EXISTS ${shared.options.keyspace}`, [], { prepare: false });
  await shared.client.shutdown();
});

onlineStoreConformance('cassandra', async () => {
  const cluster = await sharedCluster();
  shared ??= {
    options: testStoreOptions(cluster, { maxTables: MAX_TABLES }),
    client: await testClient(cluster),
  };
  const { options, client } = shared;
  return {
    store: await opened(options),
    reopen: () => opened(options),
    maxTables: options.maxTables,
    remove: () => emptied(client, options.keyspace),
  };
});

async function opened(options: CassandraStoreOptions): Promise<CassandraOnlineStore> {
  const store = new CassandraOnlineStore(options);
  await store.connect();
  return store;
}

/** Only the suite's own table is kept: making and dropping one takes a second, emptying it a tenth of that. */
async function emptied(client: Client, keyspace: string): Promise<void> {
  const { rows } = await client.execute(
    'SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?',
    [keyspace],
  );
  for (const row of rows) {
    const name = String(row['table_name']);
    const execute = (statement: string) =>
      client.execute(`${statement} ${keyspace}.${name}`, [], { prepare: false });
    if (tableOfName(name) !== undefined && name !== nameOfTable(TABLE)) await execute('DROP TABLE');
    else if (name !== 'fm_schema_versions' && (await execute('SELECT * FROM')).rows.length > 0)
      await execute('TRUNCATE');
  }
}
