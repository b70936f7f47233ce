import { readFileSync } from 'node:fs';
import { systemClock } from '@featuremesh/runtime/clock';
import { createLogger } from '@featuremesh/runtime/logger';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { Client, types } from 'cassandra-driver';
import type { CassandraStoreOptions } from '../cassandra-options.ts';

/** What a test tells of the cluster that it runs on. */
export interface TestCluster {
  readonly nodes: readonly { readonly address: string; readonly dataCentre: string }[];
  readonly plan: { readonly cqlPort: number; readonly authentication: boolean; readonly tls: boolean };
  readonly certificatePath: string;
}

/** The first superuser of every cluster. */
const SUPERUSER = { username: 'cassandra', password: 'cassandra' };

/** Options of a store on a test cluster, in a keyspace of its own unless one is given. */
export function testStoreOptions(
  cluster: TestCluster,
  more: Partial<CassandraStoreOptions> = {},
): CassandraStoreOptions {
  return {
    contactPoints: cluster.nodes.map(({ address }) => `${address}:${cluster.plan.cqlPort}`),
    localDataCentre: 'dc1',
    fallbackDataCentres: [],
    keyspace: `t_${systemRandom.base32(12)}`,
    replication: undefined,
    consistency: { write: 'LOCAL_QUORUM', read: 'LOCAL_ONE', serial: 'LOCAL_SERIAL' },
    credentials: cluster.plan.authentication ? SUPERUSER : undefined,
    tls: cluster.plan.tls ? { ca: [readFileSync(cluster.certificatePath)] } : undefined,
    maxTables: 8,
    clock: systemClock,
    timer: systemTimer,
    random: systemRandom,
    logger: createLogger({ process: 'test' }, { level: 'error' }),
    ...more,
  };
}

/** A plain driver beside the store, for what tests do to its keyspace; it speaks to one data centre, without TLS. */
export async function testClient(cluster: TestCluster, dataCentre = 'dc1'): Promise<Client> {
  const client = new Client({
    contactPoints: cluster.nodes
      .filter(node => node.dataCentre === dataCentre)
      .map(({ address }) => `${address}:${cluster.plan.cqlPort}`),
    localDataCenter: dataCentre,
    credentials: SUPERUSER,
    // The driver's own wait for agreement looks every half second; stores made after a change see it at the node they ask.
    protocolOptions: { port: cluster.plan.cqlPort, maxSchemaAgreementWaitSeconds: 0 },
    queryOptions: { prepare: true, consistency: types.consistencies.localQuorum },
    socketOptions: { readTimeout: 30_000 },
  });
  await client.connect();
  return client;
}
