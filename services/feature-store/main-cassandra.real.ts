import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalCassandra } from '@featuremesh/infra/cassandra/local-cassandra';
import { sharedCluster } from '@featuremesh/infra/cassandra/testing/shared-cluster';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { type ServiceProcess, ServiceProcesses } from '@featuremesh/testkit/region/service-processes';
import { definitions, group } from '@featuremesh/testkit/region/test-definitions';
import { measureWriteAmplification } from '@featuremesh/testkit/region/write-amplification';
import type { Client } from 'cassandra-driver';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testClient } from './adapters/cassandra/testing/test-store.ts';

const KEYSPACE = 'region_us_east_1';

let broker: FeedBroker;
let region: ServiceProcesses;
let client: Client;
let cluster: LocalCassandra;
let services: [ServiceProcess, ServiceProcess];

beforeAll(async () => {
  cluster = await sharedCluster();
  client = await testClient(cluster);
  broker = await FeedBroker.start(await locateNatsServer());
  region = await ServiceProcesses.write(
    broker,
    `store:
  type: cassandra
  contactPoints: ["${cluster.nodes[0]?.address}:${cluster.plan.cqlPort}"]
  localDataCentre: dc1
  keyspace: ${KEYSPACE}
  credentials: {username: featuremesh, passwordFile: keys/cassandra.password}
  tls: {ca: "${cluster.certificatePath}"}
`,
  );
  await writeFile(join(region.folder, 'keys', 'cassandra.password'), 'right\n');
});

afterAll(async () => {
  await region.remove();
  await broker.stop();
  for (const statement of [`DROP KEYSPACE IF EXISTS ${KEYSPACE}`, 'DROP ROLE IF EXISTS featuremesh'])
    await client.execute(statement, [], { prepare: false });
  await client.shutdown();
});

const define = (statement: string): Promise<unknown> => client.execute(statement, [], { prepare: false });

async function storeBecomes(service: ServiceProcess, reason: RegExp): Promise<void> {
  await expect
    .poll(
      async () => JSON.stringify((await region.call(service, 'GET', '/health/ready')).body.components.store),
      {
        timeout: 30_000,
      },
    )
    .toMatch(reason);
}

test('readiness says what is wrong with Cassandra, step by step, and is green once it is mended, without a restart', async () => {
  const service = region.start(0);
  await region.until(service, '/health/live', 200);
  await storeBecomes(service, /refuses the credentials/);
  await define("CREATE ROLE featuremesh WITH PASSWORD = 'right' AND LOGIN = true");
  await storeBecomes(service, /lacks a permission.*CREATE/);
  expect((await region.call(service, 'GET', '/health/ready')).status).toBe(503);
  await define('GRANT CREATE ON ALL KEYSPACES TO featuremesh');
  await define('GRANT SELECT ON ALL KEYSPACES TO featuremesh');
  await define('GRANT MODIFY ON ALL KEYSPACES TO featuremesh');
  await define('GRANT DROP ON ALL KEYSPACES TO featuremesh');
  await region.until(service, '/health/ready', 200);
  services = [service, region.start(1)];
  await region.until(services[1], '/health/ready', 200);
  expect(service.log.join('')).not.toContain('right');
});

test('two service processes on one cluster write and read each other’s rows', async () => {
  const [one, two] = services;
  const applying = region.call(one, 'POST', '/v1/admin/definitions', {
    definitions: definitions([group('delays')]),
  });
  const seen = await region.call(two, 'GET', '/internal/v1/mesh-state?after=1&waitMs=5000', undefined, true);
  await region.call(one, 'POST', '/internal/v1/enforced', { revision: seen.body.revision, hash: 'h' }, true);
  expect((await applying).body.perRegion).toEqual([{ region: 'us-east-1', outcome: 'applied' }]);
  // Each process makes the table its own in its time; until then it says that it is not ready.
  const statuses = async (service: ServiceProcess): Promise<unknown> => {
    const asked = { features: ['delays:mean'], keys: { airport: 'A' } };
    return (await region.call(service, 'POST', '/v1/online/read', asked)).body.results?.[0]?.statuses;
  };
  for (const service of [one, two])
    await expect.poll(() => statuses(service), { timeout: 30_000 }).toEqual(['NOT_FOUND']);

  for (const [writer, reader] of [
    [one, two],
    [two, one],
  ] as const) {
    const airport = writer === one ? 'A' : 'B';
    const rows = [{ key: { airport }, eventTime: new Date().toISOString(), features: { mean: 4 } }];
    const write = await region.call(writer, 'POST', '/v1/groups/delays/rows', { rows });
    expect(write.body).toMatchObject({ accepted: 1, online: 'APPLIED' });
    const read = await region.call(reader, 'POST', '/v1/online/read', {
      features: ['delays:mean'],
      keys: { airport },
      consistency: { after: write.body.position },
    });
    expect(read.body.results[0]).toMatchObject({ columns: [[4]], statuses: ['PRESENT'] });
  }
  expect((await region.call(one, 'GET', '/metrics')).body).toContain('featuremesh_rows_accepted_total');
});

test('in normal operation rows are written once: at most 1.05 rows reach Cassandra for each that is accepted', async () => {
  // What the node itself counts, of the groups' tables: every write that it was sent, repeated and speculative ones too.
  const written = async (): Promise<number> => {
    const { rows } = await client.execute(
      'SELECT table_name, count FROM system_views.local_write_latency WHERE keyspace_name = ? ALLOW FILTERING',
      [KEYSPACE],
    );
    const ofGroups = rows.filter(row => String(row['table_name']).startsWith('g_'));
    return ofGroups.reduce((sum, row) => sum + Number(row['count']), 0);
  };
  const before = await written();
  const { acceptedRows, appliedRows } = await measureWriteAmplification(region, services);
  const writtenRows = (await written()) - before;
  expect(acceptedRows).toBe(4_000);
  for (const rows of [appliedRows, writtenRows]) {
    expect(rows).toBeGreaterThanOrEqual(acceptedRows);
    expect(rows / acceptedRows).toBeLessThanOrEqual(1.05);
  }
  console.info(`rows written to Cassandra / rows accepted: ${(writtenRows / acceptedRows).toFixed(3)}`);
});

test('rows that are written while Cassandra stands still are PENDING, and readable when it answers again', async () => {
  const [one] = services;
  const rows = [{ key: { airport: 'later' }, eventTime: new Date().toISOString(), features: { mean: 7 } }];
  const pids = [...cluster.pids];
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  try {
    const write = await region.call(one, 'POST', '/v1/groups/delays/rows', { rows });
    expect(write.body).toMatchObject({ accepted: 1, online: 'PENDING' });
    const read = await region.call(one, 'POST', '/v1/online/read', {
      features: ['delays:mean'],
      keys: { airport: 'later' },
    });
    expect(JSON.stringify(read.body)).toContain('STORE_UNAVAILABLE');
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }
  const statusOf = async (): Promise<unknown> => {
    const ask = { features: ['delays:mean'], keys: { airport: 'later' } };
    const { body } = await region.call(one, 'POST', '/v1/online/read', ask);
    return body.results?.[0]?.statuses;
  };
  await expect.poll(statusOf, { timeout: 60_000, interval: 250 }).toEqual(['PRESENT']);
});

test('a dropped column of the product’s own tables is named as drift', async () => {
  const [one] = services;
  await define(`ALTER TABLE ${KEYSPACE}.fm_idempotency DROP answer`);
  await storeBecomes(one, /drifted: column fm_idempotency\.answer is missing, and should be text/);
  await define(`ALTER TABLE ${KEYSPACE}.fm_idempotency ADD answer text`);
  await region.until(one, '/health/ready', 200);
});

test('SIGTERM ends the services cleanly', async () => {
  for (const { child, log } of services) {
    const ended = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGTERM');
    expect(await ended, log.join('')).toBe(0);
  }
});
