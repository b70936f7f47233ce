import { readFileSync } from 'node:fs';
import { systemClock } from '@featuremesh/runtime/clock';
import { createLogger } from '@featuremesh/runtime/logger';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { Client, errors, types } from 'cassandra-driver';
import type { CassandraStoreOptions } from '../cassandra-options.ts';

/** What a test tells of the cluster that it runs on. */
export interface TestCluster {
  readonly nodes: readonly { readonly address: string; readonly dataCentre: string }[];
  readonly plan: { readonly cqlPort: number; readonly authentication: boolean; readonly tls: boolean };
  readonly certificatePath: string;
}

/** The first superuser of every cluster; it can only log in while most of all data centres are up. */
const FIRST_ROLE = { username: 'cassandra', password: 'cassandra' };

/** What tests work as: kept in every data centre, so that it can log in while one is down. */
const TEST_ROLE = { username: 'fm_tests', password: 'fm_tests' };

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
    credentials: cluster.plan.authentication ? TEST_ROLE : undefined,
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
  try {
    return await connected(cluster, dataCentre, TEST_ROLE);
  } catch (error) {
    if (!(error instanceof errors.NoHostAvailableError)) throw error;
    await makeTestRole(cluster);
    return connected(cluster, dataCentre, TEST_ROLE);
  }
}

async function connected(
  cluster: TestCluster,
  dataCentre: string,
  credentials: { username: string; password: string },
): Promise<Client> {
  const client = new Client({
    contactPoints: cluster.nodes
      .filter(node => node.dataCentre === dataCentre)
      .map(({ address }) => `${address}:${cluster.plan.cqlPort}`),
    localDataCenter: dataCentre,
    credentials,
    // The driver's own wait for agreement looks every half second; stores made after a change see it at the node they ask.
    protocolOptions: { port: cluster.plan.cqlPort, maxSchemaAgreementWaitSeconds: 0 },
    queryOptions: { prepare: true, consistency: types.consistencies.localQuorum },
    socketOptions: { readTimeout: 30_000 },
  });
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.shutdown().catch(() => undefined);
    throw error;
  }
}

async function makeTestRole(cluster: TestCluster): Promise<void> {
  const client = await connected(cluster, 'dc1', FIRST_ROLE);
  try {
    const centres = [...new Set(cluster.nodes.map(({ dataCentre }) => dataCentre))];
    const replicas = centres.map(name => `'${name}': 1`).join(', ');
    const { username, password } = TEST_ROLE;
    for (const statement of [
      `ALTER KEYSPACE system_auth WITH replication = {'class': 'NetworkTopologyStrategy', ${replicas}}`,
      `CREATE ROLE IF NOT EXISTS ${username} WITH PASSWORD = '${password}' AND LOGIN = true AND SUPERUSER = true`,
    ])
      await patiently(() => client.execute(statement, [], { prepare: false }));
  } finally {
    await client.shutdown();
  }
}

/** Nodes that have just started learn of each other within seconds; until then a data centre is refused as unknown. */
async function patiently(work: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await work();
      return;
    } catch (error) {
      const unknown =
        error instanceof errors.ResponseError && error.code === types.responseErrorCodes.configError;
      if (!unknown || attempt >= 60) throw error;
      await systemTimer.sleep(250);
    }
  }
}
