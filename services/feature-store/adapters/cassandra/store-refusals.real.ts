import { type AddressInfo, createServer, type Socket } from 'node:net';
import { rootCertificates } from 'node:tls';
import { ProblemError } from '@featuremesh/domain/problem';
import { sharedCluster } from '@featuremesh/infra/cassandra/testing/shared-cluster';
import type { Client } from 'cassandra-driver';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CassandraOnlineStore } from './cassandra-online-store.ts';
import type { CassandraStoreOptions } from './cassandra-options.ts';
import { testClient, testStoreOptions } from './testing/test-store.ts';

let options: CassandraStoreOptions;
let client: Client;

beforeAll(async () => {
  const cluster = await sharedCluster();
  client = await testClient(cluster);
  options = testStoreOptions(cluster);
});

afterAll(async () => {
  await define(`DROP KEYSPACE IF EXISTS ${options.keyspace}`);
  await client.shutdown();
});

const define = (statement: string): Promise<unknown> => client.execute(statement, [], { prepare: false });

async function refusal(more: Partial<CassandraStoreOptions>): Promise<string> {
  const store = new CassandraOnlineStore({ ...options, ...more });
  try {
    await store.connect();
    return 'connected';
  } catch (error) {
    if (!(error instanceof ProblemError) || error.problem.code !== 'STORE_UNAVAILABLE') throw error;
    expect(store.failure()).toBe(error.problem.detail);
    return error.problem.detail;
  } finally {
    await store.close();
  }
}

test('what cannot be connected to is said in words: data centre, address, password', async () => {
  expect(await refusal({ localDataCentre: 'nowhere' })).toBe(
    'Cassandra has no data centre nowhere; it has dc1, dc2',
  );
  expect(await refusal({ fallbackDataCentres: ['elsewhere'] })).toBe(
    'Cassandra has no data centre elsewhere; it has dc1, dc2',
  );
  expect(await refusal({ contactPoints: ['127.0.0.1:1'] })).toMatch(/can be reached \(ECONNREFUSED\)/);
  expect(await refusal({ credentials: { username: 'fm_tests', password: 'wrong' } })).toBe(
    'Cassandra refuses the credentials',
  );
});

test('a certificate that is not trusted, and a server without TLS, are said plainly; nothing is sent to either', async () => {
  const [unrelated = ''] = rootCertificates;
  expect(await refusal({ tls: { ca: [unrelated] } })).toMatch(
    /certificate of Cassandra is refused \([A-Z_]+\).*store\.tls\.ca/,
  );
  const sockets: Socket[] = [];
  const plain = createServer(socket => {
    sockets.push(socket);
    socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  await new Promise<void>(resolve => plain.listen(0, '127.0.0.1', resolve));
  const { port } = plain.address() as AddressInfo;
  expect(await refusal({ contactPoints: [`127.0.0.1:${port}`] })).toBe(
    'Cassandra does not answer with TLS, which store.tls asks for',
  );
  for (const socket of sockets) socket.destroy();
  await new Promise(resolve => plain.close(resolve));
});

test('a keyspace without replicas here, and a schema newer than the program, are refused and left as they are', async () => {
  const { keyspace } = options;
  await define(
    `CREATE KEYSPACE ${keyspace} WITH replication = {'class': 'NetworkTopologyStrategy', 'dc2': 1}`,
  );
  expect(await refusal({})).toMatch(/keeps no replicas in the data centre dc1/);
  await define(
    `ALTER KEYSPACE ${keyspace} WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}`,
  );
  expect(await refusal({})).toBe('connected');
  await define(`INSERT INTO ${keyspace}.fm_schema_versions (version, applied_at_ms) VALUES (99, 0)`);
  expect(await refusal({})).toMatch(/schema version 99; this program knows 3: run a newer one/);
});

test('before it is connected, a store answers nothing and says why; it does not report missing keys', async () => {
  const store = new CassandraOnlineStore({ ...options, contactPoints: ['127.0.0.1:1'] });
  const table = { groupId: 'aaaaaaaaaaaaaaaa', version: 1, generation: 1 };
  await expect(store.read(table, [new Uint8Array([1])])).rejects.toMatchObject({
    problem: { code: 'STORE_UNAVAILABLE', detail: 'not connected to Cassandra yet' },
  });
  await store.close();
});
