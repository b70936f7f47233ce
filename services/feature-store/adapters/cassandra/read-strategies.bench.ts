import { deepStrictEqual } from 'node:assert';
import type { LocalCassandra } from '@featuremesh/infra/cassandra/local-cassandra';
import { withBenchCluster } from '@featuremesh/infra/cassandra/testing/bench-cluster';
import { systemClock } from '@featuremesh/runtime/clock';
import { seededRandom } from '@featuremesh/runtime/random';
import { testKey, testRow } from '@featuremesh/testkit/generators/packed-rows';
import { Client, types } from 'cassandra-driver';
import type { TableRef } from '../../ports/online-store.ts';
import { CassandraOnlineStore } from './cassandra-online-store.ts';
import { Cql } from './cql.ts';
import { StoredRows } from './stored-rows.ts';
import { statementsOf } from './table-statements.ts';
import { testStoreOptions } from './testing/test-store.ts';

// Compares ways to read a slate, and the store with the bare driver, on a Cassandra of its own: two data centres of one node.
// node services/feature-store/adapters/cassandra/read-strategies.bench.ts

const TABLE: TableRef = { groupId: 'bbbbbbbbbbbbbbbb', version: 1, generation: 1 };
const KEYS = 20_000;
const SLATES = [5, 51, 200];
const CALLERS = [1, 4, 8];
const RUN_MS = 900;
const CHUNK_ROWS = 512;
const FOREVER = new AbortController().signal;

type Read = (keys: readonly Buffer[]) => Promise<readonly (Uint8Array | undefined)[]>;

const random = seededRandom('read strategies');
const keys = Array.from({ length: KEYS }, (_, at) => Buffer.from(testKey(`key-${at}`)));
const slate = (size: number): readonly Buffer[] =>
  Array.from({ length: size }, () => keys[random.int(KEYS)] ?? Buffer.alloc(0));

await withBenchCluster({ dataCentres: ['dc1', 'dc2'], heapMb: 512 }, measure);

async function measure(cluster: LocalCassandra): Promise<void> {
  const options = testStoreOptions(cluster, { maxTables: 250 });
  const store = new CassandraOnlineStore(options);
  await store.connect();
  await store.ensureTables([TABLE]);
  const raw = new Client({
    contactPoints: [...options.contactPoints],
    localDataCenter: 'dc1',
    protocolOptions: { port: cluster.plan.cqlPort },
    queryOptions: { prepare: true, consistency: types.consistencies.localOne },
  });
  await raw.connect();
  await measureWrites(store, raw, options.keyspace);
  const cql = await Cql.connect(options);
  const { readOne, readSome } = statementsOf(options.keyspace, TABLE);
  const rows = (kind: 'singles' | 'grouped'): Read => {
    const stored = new StoredRows(cql, systemClock, { kind });
    return asked => stored.read(TABLE, asked, { settled: false, expired: FOREVER });
  };
  const strategies: Readonly<Record<string, Read>> = {
    'driver singles': async asked => {
      const answers = await Promise.all(asked.map(key => raw.execute(readOne, [key])));
      return answers.map(answer => answer.rows[0]?.['v'] as Buffer);
    },
    'driver IN': async asked => {
      const answer = await raw.execute(readSome, [asked]);
      const found = new Map(
        answer.rows.map(row => [String(row['k'].toString('latin1')), row['v'] as Buffer]),
      );
      return asked.map(key => found.get(key.toString('latin1')));
    },
    'rows singles': rows('singles'),
    'rows grouped': rows('grouped'),
    store: asked => store.read(TABLE, asked),
  };
  const probe = slate(51);
  const expected = (await strategies['driver singles']?.(probe))?.map(row => row && Uint8Array.from(row));
  for (const read of Object.values(strategies))
    deepStrictEqual(
      (await read(probe)).map(row => row && Uint8Array.from(row)),
      expected,
    );
  for (const size of SLATES) {
    for (const callers of CALLERS) {
      for (const [name, read] of Object.entries(strategies))
        report(name, size, callers, await timed(read, size, callers));
    }
  }
  await Promise.all([store.close(), raw.shutdown(), cql.close()]);
}

async function measureWrites(store: CassandraOnlineStore, raw: Client, keyspace: string): Promise<void> {
  const { write } = statementsOf(keyspace, TABLE);
  for (const [round, payload] of [80, 80, 257].entries()) {
    const rows = keys.map(key => ({
      key,
      row: Buffer.from(testRow({ eventTimeUs: BigInt(round + 1), payload: 'x'.repeat(payload) })),
    }));
    const startedMs = performance.now();
    let next = 0;
    const writer = async (): Promise<void> => {
      for (let row = rows[next++]; row !== undefined; row = rows[next++])
        await raw.execute(write, [row.key, row.row, types.Long.fromNumber(round + 1)], {
          consistency: types.consistencies.localQuorum,
        });
    };
    await Promise.all(Array.from({ length: 256 }, writer));
    const rawMs = performance.now() - startedMs;
    const chunks = Array.from({ length: Math.ceil(KEYS / CHUNK_ROWS) }, (_, at) =>
      rows.slice(at * CHUNK_ROWS, (at + 1) * CHUNK_ROWS),
    );
    const applyMs = performance.now();
    for (let at = 0; at < chunks.length; at += 4) {
      await Promise.all(
        chunks.slice(at, at + 4).map((chunk, of) =>
          store.apply({
            table: TABLE,
            rows: chunk,
            watermark: { name: `w${round}`, sequence: at + of + 1 },
          }),
        ),
      );
    }
    const storeMs = performance.now() - applyMs;
    const [rawRate, storeRate] = [(KEYS / rawMs) * 1_000, (KEYS / storeMs) * 1_000];
    print(
      `write ${payload + 62} B rows: driver ${rawRate.toFixed(0)}/s, store ${storeRate.toFixed(0)}/s, ratio ${(storeRate / rawRate).toFixed(2)}`,
    );
  }
}

async function timed(read: Read, size: number, callers: number): Promise<readonly number[]> {
  const endMs = performance.now() + RUN_MS;
  const samples: number[] = [];
  const caller = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const asked = slate(size);
      const startedMs = performance.now();
      await read(asked);
      samples.push(performance.now() - startedMs);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return samples.toSorted((a, b) => a - b);
}

function report(name: string, size: number, callers: number, samples: readonly number[]): void {
  const at = (share: number): string =>
    (samples[Math.floor(samples.length * share)] ?? Number.NaN).toFixed(1);
  const rate = ((samples.length / RUN_MS) * 1_000).toFixed(0);
  print(`${size} keys, ${callers} callers, ${name}: ${rate}/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
