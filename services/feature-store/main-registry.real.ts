import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalCassandra } from '@featuremesh/infra/cassandra/local-cassandra';
import { sharedCluster } from '@featuremesh/infra/cassandra/testing/shared-cluster';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { systemRandom } from '@featuremesh/runtime/random';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { type ServiceProcess, ServiceProcesses } from '@featuremesh/testkit/region/service-processes';
import { definitions, group } from '@featuremesh/testkit/region/test-definitions';
import type { Client } from 'cassandra-driver';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testClient } from './adapters/cassandra/testing/test-store.ts';

const PATIENCE = { timeout: 90_000, interval: 200 };

/** Both regions keep their definitions in Cassandra; one its rows too, the other in LMDB. */
const KEYSPACES = { cassandra: `r_${systemRandom.base32(10)}`, lmdb: `r_${systemRandom.base32(10)}` };
type Kind = keyof typeof KEYSPACES;
const KINDS: readonly Kind[] = ['cassandra', 'lmdb'];

interface TestedRegion {
  readonly broker: FeedBroker;
  readonly processes: ServiceProcesses;
  service: ServiceProcess;
}

let cluster: LocalCassandra;
let client: Client;
const regions = {} as Record<Kind, TestedRegion>;

beforeAll(async () => {
  cluster = await sharedCluster();
  client = await testClient(cluster);
  for (const kind of KINDS) {
    const broker = await FeedBroker.start(await locateNatsServer());
    const processes = await ServiceProcesses.write(broker, configOf(kind));
    await writeFile(join(processes.folder, 'keys', 'cassandra.password'), 'fm_tests\n');
    regions[kind] = { broker, processes, service: processes.start(0) };
  }
});

afterAll(async () => {
  for (const { processes, broker } of Object.values(regions)) {
    await processes.remove();
    await broker.stop();
  }
  await cluster.start();
  for (const keyspace of Object.values(KEYSPACES))
    await client.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`, [], { prepare: false });
  await client.shutdown();
});

/** The second data centre is theirs alone: its only node may be killed. */
function configOf(kind: Kind): string {
  const cassandra = `type: cassandra, contactPoints: ["${cluster.nodes[1]?.address}:${cluster.plan.cqlPort}"], localDataCentre: dc2, keyspace: ${KEYSPACES[kind]}, credentials: {username: fm_tests, passwordFile: keys/cassandra.password}, tls: {ca: "${cluster.certificatePath}"}`;
  return kind === 'cassandra'
    ? `store: {${cassandra}}\nregistry: {type: cassandra}\n`
    : `registry: {${cassandra}}\n`;
}

const call = (kind: Kind, method: string, path: string, body?: unknown, internal = false) =>
  regions[kind].processes.call(regions[kind].service, method, path, body, internal);

async function define(kind: Kind, ...names: readonly string[]) {
  const applying = call(kind, 'POST', '/v1/admin/definitions', {
    definitions: definitions(names.map(name => group(name))),
  });
  const revision = async () =>
    (await call(kind, 'GET', '/internal/v1/mesh-state', undefined, true)).body.revision;
  const enforcing = new AbortController();
  const enforced = (async () => {
    while (!enforcing.signal.aborted) {
      await call(kind, 'POST', '/internal/v1/enforced', { revision: await revision(), hash: 'h' }, true);
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  })();
  const answer = await applying;
  enforcing.abort();
  await enforced;
  return answer;
}

const write = (kind: Kind, airport: string, mean: number) =>
  call(kind, 'POST', '/v1/groups/delays/rows', {
    rows: [{ key: { airport }, eventTime: new Date().toISOString(), features: { mean } }],
  }).then(({ status, body }) => ({ status, ...body }));

const read = (kind: Kind, airport: string) =>
  call(kind, 'POST', '/v1/online/read', { features: ['delays:mean'], keys: { airport } }).then(
    ({ body }) => body.results?.[0] ?? body,
  );

const health = (kind: Kind) => call(kind, 'GET', '/health/ready');

/** Reads and writes of what is known, while Cassandra is away. */
async function goesOn(mean: number): Promise<void> {
  for (const kind of KINDS) {
    const online = kind === 'cassandra' ? 'PENDING' : 'APPLIED';
    await expect.poll(() => write(kind, `K${mean}`, mean), PATIENCE).toMatchObject({ accepted: 1, online });
    const unknown = await write(kind, 'A', 0).then(({ code }) => code);
    expect(unknown).toBeUndefined();
    expect(await define(kind, 'more')).toMatchObject({
      status: 503,
      body: { code: 'REGISTRY_UNAVAILABLE', retryable: true },
    });
  }
  // The rows are in LMDB: nothing is missing. The rows are in Cassandra: said as a failure, never as missing.
  expect(await read('lmdb', `K${mean}`)).toMatchObject({ columns: [[mean]], statuses: ['PRESENT'] });
  expect(JSON.stringify(await read('cassandra', `K${mean}`))).toMatch(/STORE_UNAVAILABLE|UNAVAILABLE/);
  const warned = { ready: true, warning: expect.stringMatching(/Cassandra.*cannot be changed/) };
  await expect
    .poll(() => health('lmdb'), PATIENCE)
    .toMatchObject({ status: 200, body: { components: { registry: warned } } });
  await expect
    .poll(() => health('cassandra').then(({ body }) => body.components), PATIENCE)
    .toMatchObject({ registry: warned, writes: { ready: true }, store: { ready: false } });
}

test('definitions in Cassandra are applied, written to and read', async () => {
  for (const kind of KINDS) {
    const { processes, service } = regions[kind];
    await processes.until(service, '/health/ready', 200);
    expect(await define(kind, 'delays')).toMatchObject({ status: 200 });
    await expect.poll(() => write(kind, 'A', 1), PATIENCE).toMatchObject({ accepted: 1, online: 'APPLIED' });
    expect(await read(kind, 'A')).toMatchObject({ columns: [[1]], statuses: ['PRESENT'] });
  }
});

test('with Cassandra killed, known versions are served and written on; changes are refused, and health says so', async () => {
  // The tests' cluster does not flush its schema by itself, and a table that is not known at the restart loses its commit log.
  await cluster.nodetool(1, 'flush', 'system_schema');
  await cluster.killNode(1);
  await goesOn(2);
});

test('the same in service processes that are killed and started while Cassandra is away', async () => {
  for (const kind of KINDS) {
    const { child } = regions[kind].service;
    const ended = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    regions[kind].service = regions[kind].processes.start(0);
  }
  for (const kind of KINDS)
    await expect
      .poll(
        () =>
          health(kind).then(
            () => 'up',
            () => 'down',
          ),
        PATIENCE,
      )
      .toBe('up');
  await goesOn(3);
});

test('when Cassandra is back, what was pending is readable, and changes are accepted', async () => {
  await cluster.startNode(1);
  for (const kind of KINDS) {
    await expect.poll(() => health(kind).then(({ status }) => status), PATIENCE).toBe(200);
    await expect
      .poll(() => health(kind).then(({ body }) => body.components.registry), PATIENCE)
      .toEqual({ ready: true });
    for (const mean of [2, 3])
      await expect
        .poll(() => read(kind, `K${mean}`), PATIENCE)
        .toMatchObject({ columns: [[mean]], statuses: ['PRESENT'] });
    await expect.poll(() => define(kind, 'more').then(({ status }) => status), PATIENCE).toBe(200);
  }
}, 300_000);
