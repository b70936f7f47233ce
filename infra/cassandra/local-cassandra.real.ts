import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { answersCql } from './cql-probe.ts';
import { LocalCassandra } from './local-cassandra.ts';
import { sharedCluster } from './testing/shared-cluster.ts';

test('two data centres run, know each other, and a second caller gets the same nodes', async () => {
  const cluster = await sharedCluster();
  const again = await sharedCluster();
  expect(again.pids).toEqual(cluster.pids);
  expect(cluster.pids).toHaveLength(2);
  for (const { address } of cluster.nodes)
    expect(await answersCql(address, cluster.plan.cqlPort, 5_000)).toBe(true);
  const status = await cluster.nodetool(0, 'status');
  expect(status).toMatch(/Datacenter: dc1[\s\S]*UN[\s\S]*Datacenter: dc2[\s\S]*UN/);
});

test('with less memory than the nodes need the start is refused before anything starts', async () => {
  const { plan } = await sharedCluster();
  const folder = join(tmpdir(), 'featuremesh-too-large');
  const large = await LocalCassandra.open({ ...plan, folder, heapMb: 4_000_000 });
  await expect(large.start()).rejects.toThrow(/2 Cassandra nodes need about 8000800 MB .* are available/);
  expect(large.pids).toEqual([]);
});
