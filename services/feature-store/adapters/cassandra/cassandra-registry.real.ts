import { sharedCluster } from '@featuremesh/infra/cassandra/testing/shared-cluster';
import {
  CONFORMANCE_ROSTER,
  registryConformance,
} from '@featuremesh/testkit/conformance/registry-conformance';
import type { Client } from 'cassandra-driver';
import { afterAll } from 'vitest';
import type { CassandraStoreOptions } from './cassandra-options.ts';
import { registryMachine } from './testing/test-registry.ts';
import { testClient, testStoreOptions } from './testing/test-store.ts';

/** One keyspace for all tests of the suite, emptied after each: making one takes a second. */
let shared: { readonly options: CassandraStoreOptions; readonly client: Client } | undefined;

afterAll(async () => {
  if (shared === undefined) return;
  await shared.client.execute(`DROP KEYSPACE IF EXISTS ${shared.options.keyspace}`, [], { prepare: false });
  await shared.client.shutdown();
});

registryConformance('Cassandra', async () => {
  const cluster = await sharedCluster();
  shared ??= { options: testStoreOptions(cluster), client: await testClient(cluster) };
  const { options, client } = shared;
  const machine = await registryMachine(options, CONFORMANCE_ROSTER);
  return {
    open: machine.open,
    noticedWithinMs: 2_000,
    end: async () => {
      await machine.remove();
      await client.execute(`TRUNCATE ${options.keyspace}.fm_registry`, [], { prepare: false });
    },
  };
});
