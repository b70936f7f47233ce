import assert from 'node:assert';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { LocalCassandra } from '@featuremesh/infra/cassandra/local-cassandra';
import { withBenchCluster } from '@featuremesh/infra/cassandra/testing/bench-cluster';
import { systemClock } from '@featuremesh/runtime/clock';
import { testKey, testRow } from '@featuremesh/testkit/generators/packed-rows';
import type { TableRef } from '../../ports/online-store.ts';
import { CassandraOnlineStore } from './cassandra-online-store.ts';
import { testStoreOptions } from './testing/test-store.ts';

// What a table costs, on a Cassandra of its own: one node with a heap of 512 MB. Where the bound on tables per cluster comes from.
// node services/feature-store/adapters/cassandra/table-cost.bench.ts [counts by commas]

const COUNTS = (process.argv[2] ?? '50,100,200').split(',').map(Number);
const HEAP_MB = 512;
const ROWS_PER_TABLE = 20;
const run = promisify(execFile);
const ROWS = Array.from({ length: ROWS_PER_TABLE }, (_, at) => ({
  key: testKey(`k${at}`),
  row: testRow({ eventTimeUs: BigInt(at) }),
}));

await withBenchCluster({ dataCentres: ['dc1'], heapMb: HEAP_MB }, measure);

async function measure(cluster: LocalCassandra): Promise<void> {
  const options = testStoreOptions(cluster, { maxTables: 2_000 });
  let store = new CassandraOnlineStore(options);
  await store.connect();
  say({ tables: 0, ...(await memory(cluster)) });
  let made = 0;
  for (const count of COUNTS) {
    const tables = Array.from({ length: count - made }, (_, at) => tableAt(made + at));
    made = count;
    const makeMs = await timed(async () => {
      for (const table of tables) await store.ensureTables([table]);
    });
    const empty = await memory(cluster);
    // A written table holds a piece of the memtable space of its own until it is flushed.
    const all = Array.from({ length: count }, (_, at) => tableAt(at));
    for (const table of all) await store.apply({ table, rows: ROWS });
    const written = await memory(cluster);
    await store.close();
    await cluster.stopNode(0);
    const startMs = await timed(() => cluster.startNode(0));
    store = new CassandraOnlineStore(options);
    const readyMs = await timed(() => store.connect());
    assert((await store.listTables()).length === count, 'the node has kept its tables');
    say({
      tables: count,
      makeMsPerTable: Math.round(makeMs / tables.length),
      empty,
      written,
      startMs: Math.round(startMs),
      connectMs: Math.round(readyMs),
    });
  }
  await store.close();
}

function tableAt(at: number): TableRef {
  return { groupId: 'cccccccccccccccc', version: 1, generation: at + 1 };
}

/** Heap in use after a collection, off-heap memory of tables, and resident memory of the node, in MB. */
async function memory(
  cluster: LocalCassandra,
): Promise<{ heapMb: number; offHeapMb: number; residentMb: number }> {
  const [pid] = cluster.pids;
  await run('jcmd', [String(pid), 'GC.run']);
  const info = await cluster.nodetool(0, 'info');
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const number = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? Number.NaN);
  return {
    heapMb: number(info, /^Heap Memory \(MB\)\s*:\s*([\d.]+)/m),
    offHeapMb: number(info, /^Off Heap Memory \(MB\)\s*:\s*([\d.]+)/m),
    residentMb: Math.round(number(status, /^VmRSS:\s*(\d+)/m) / 1_024),
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = systemClock.monotonicMs();
  await work();
  return systemClock.monotonicMs() - startedMs;
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
