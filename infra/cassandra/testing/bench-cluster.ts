import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalCassandra } from '../local-cassandra.ts';

/** Runs a measurement on a Cassandra of its own, a node in each data centre, and leaves nothing of it; also where it is interrupted. */
export async function withBenchCluster(
  shape: { readonly dataCentres: readonly string[]; readonly heapMb: number },
  measure: (cluster: LocalCassandra) => Promise<void>,
): Promise<void> {
  const cluster = await LocalCassandra.open({
    ...shape,
    folder: await mkdtemp(join(tmpdir(), 'featuremesh-bench-')),
    network: 230,
    cqlPort: 29_042,
    storagePort: 27_000,
    jmxPort: 27_199,
    authentication: false,
    tls: false,
    commitLogSync: 'periodic',
    flushSchema: true,
    quickStart: false,
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void cluster.kill().then(() => process.exit(1)));
  try {
    await cluster.start();
    await measure(cluster);
  } finally {
    await cluster.kill();
    await cluster.remove();
  }
}
