import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import { sharedCluster } from '@featuremesh/infra/cassandra/testing/shared-cluster';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { systemClock } from '@featuremesh/runtime/clock';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { testKey, testRow } from '@featuremesh/testkit/generators/packed-rows';
import { SpawnedWriter } from '@featuremesh/testkit/ingest/spawned-writer';
import { WriteRegion } from '@featuremesh/testkit/ingest/write-region';
import { WORLD_REGION } from '@featuremesh/testkit/ingest/write-world';
import {
  WRITER_BATCH_ROWS,
  type WriterArguments,
  writerBatch,
  writerKey,
  writerWorld,
} from '@featuremesh/testkit/ingest/writer-batches';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { CassandraOnlineStore } from '../adapters/cassandra/cassandra-online-store.ts';
import { testClient, testStoreOptions } from '../adapters/cassandra/testing/test-store.ts';
import { LmdbOnlineStore } from '../adapters/lmdb/lmdb-online-store.ts';
import { CRASH_POINTS, type CrashPoint } from '../ports/crash-points.ts';
import type { OnlineStore } from '../ports/online-store.ts';
import type { StampBounds } from '../ports/stamp-bounds.ts';
import { ownWatermark } from './applied-names.ts';
import { LEASE_MS, REPLAY_STEPS_IN_FLIGHT } from './ingest-limits.ts';
import { Projector } from './projector.ts';

/** Slot of the processes that crash, and one whose process is gone for good. */
const [SLOT, DEAD_SLOT] = [0, 1];
const WRITERS = 4;
/** Eight starts of a process that connects, on a machine that may also have just started the cluster. */
const CASSANDRA_TIMEOUT_MS = 240_000;
/** Chunks that stand in the log before a process starts, and the reach of the point at which it ends: more than may be in flight. */
const TAIL_CHUNKS = 30;
const TAIL_ROWS = 4;
const LATE = REPLAY_STEPS_IN_FLIGHT + 4;
const REACH: Readonly<Record<CrashPoint, number>> = {
  'own/appended': 6,
  'own/applied': 6,
  'store/rows-written': LATE,
  'replay/read': LATE,
  'replay/applied': LATE,
  'takeover/leased': 1,
  'takeover/applied': 1,
};
let broker: FeedBroker;
let folder: string;
const processes: SpawnedWriter[] = [];

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer(), 'without FEED');
});
afterAll(() => broker.stop());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fm-points-'));
  await broker.createFeed();
});

afterEach(async () => {
  for (const one of processes.splice(0)) await one.kill();
  await broker.deleteFeed();
  await rm(folder, { recursive: true, force: true });
});

type Store = OnlineStore & StampBounds;

/** Where the processes of a test keep what they apply. */
interface Place {
  readonly points: readonly CrashPoint[];
  /** Of these, at which a process is killed twice in a row: each takes seconds. */
  readonly twice: readonly CrashPoint[];
  readonly open: () => Promise<Store>;
  readonly given: Partial<WriterArguments>;
  /** What the clock of each process is ahead of that of the one before: a killed process holds its lease unless the store knows it to be gone. */
  readonly leaseMs: number;
}

/** All that must be readable at the end. */
class Promised {
  readonly #keys: Uint8Array[] = [];
  #chunks = 0;

  /** Puts chunks into the log as a process did that is gone. */
  async log(slot: number): Promise<void> {
    const { groupId } = writerWorld().tableOf('crash');
    for (let at = 0; at < TAIL_CHUNKS; at += 1) {
      const chunk = this.#chunks++;
      const rows = Array.from({ length: TAIL_ROWS }, (_, row) => ({
        key: testKey(`tail-${chunk}-${row}`),
        row: testRow({ eventTimeUs: 5n, physicalUs: BigInt(chunk + 1) }),
      }));
      await broker.publish(`FEED.${groupId}.1.own.${slot}`, encodeFeedChunk(rows));
      this.#keys.push(...rows.map(({ key }) => key));
    }
  }

  acknowledged(batches: Iterable<number>): void {
    for (const batch of batches)
      for (let at = 0; at < WRITER_BATCH_ROWS; at += 1) this.#keys.push(testKey(writerKey(SLOT, batch, at)));
  }

  async missing(store: Store): Promise<number> {
    const rows = await store.read(writerWorld().tableOf('crash'), this.#keys);
    return rows.filter(row => row === undefined).length;
  }
}

function progressOf(store: Store, slot: number): Promise<number> {
  return store.watermark(ownWatermark(slot, 'e1'));
}

async function crashEverywhere({ points, twice, open, given, leaseMs }: Place): Promise<void> {
  const store = await open();
  const promised = new Promised();
  const issued = new Set<string>();
  // The steps of a replay in flight, what was accepted since the log was last read to its end, and what was in flight of that.
  let mostAgain = 0;
  let aheadMs = 0;
  for (const point of points) {
    const slot = point.startsWith('takeover') ? DEAD_SLOT : SLOT;
    for (const turn of twice.includes(point) ? [1, 2] : [1]) {
      await promised.log(slot);
      const before = await progressOf(store, slot);
      const writer = new SpawnedWriter({
        ...{
          brokerUrl: broker.url,
          storePath: folder,
          slot: SLOT,
          batches: 1_000,
          writers: WRITERS,
          keyed: false,
        },
        ...{ projects: slot === DEAD_SLOT, crash: { point, at: REACH[point] }, clockAheadMs: aheadMs },
        ...given,
      });
      processes.push(writer);
      await writer.ended();
      aheadMs += leaseMs;
      promised.acknowledged(writer.acknowledged.keys());
      const where = `${point}, crash ${turn}`;
      const again = [...writer.issued].filter(([hash]) => issued.has(hash));
      expect(
        again.reduce((sum, [, rows]) => sum + rows, 0),
        where,
      ).toBeLessThanOrEqual(mostAgain);
      for (const hash of writer.issued.keys()) issued.add(hash);
      mostAgain =
        REPLAY_STEPS_IN_FLIGHT * TAIL_ROWS + (writer.acknowledged.size + WRITERS) * WRITER_BATCH_ROWS;
      // What comes before a tail is touched cannot move it; the next process, which ends elsewhere, does.
      if (point !== 'takeover/leased') expect(await progressOf(store, slot), where).toBeGreaterThan(before);
    }
  }
  await store.close();
  const clock = {
    ...systemClock,
    nowMs: () => Date.now() + aheadMs,
    nowUs: () => systemClock.nowUs() + BigInt(aheadMs) * 1_000n,
  };
  const region = await WriteRegion.start({
    ...{ brokerUrl: broker.url, world: writerWorld(), slot: SLOT, storePath: folder, clock, openStore: open },
  });
  const { world, ...parts } = region.parts;
  const common = { ...parts, registry: world.registry, tables: world, store: region.store, log: region.log };
  const projector = new Projector({ ...common, region: WORLD_REGION, slot: SLOT });
  projector.start();
  for (const slot of [SLOT, DEAD_SLOT])
    await expect
      .poll(() => progressOf(region.store, slot), { timeout: 30_000 })
      .toBe(await region.log.lastSequence({ kind: 'own', slot }));
  expect(await promised.missing(region.store)).toBe(0);
  const again = await region.write('crash', writerBatch(SLOT, 0));
  expect(again).toMatchObject({ accepted: WRITER_BATCH_ROWS, online: 'APPLIED' });
  await projector.stop();
  await region.stop();
}

test('LMDB: killed at every named point, at some twice in a row, nothing is lost, little is applied again, and it goes on', async () => {
  const path = join(folder, 'online');
  const open = async (): Promise<Store> => LmdbOnlineStore.open({ path, maxTables: 64 });
  await crashEverywhere({
    points: CRASH_POINTS.filter(point => !point.startsWith('store')),
    twice: ['own/appended', 'replay/read', 'replay/applied', 'takeover/leased'],
    ...{ open, given: {}, leaseMs: 0 },
  });
});

test(
  'Cassandra: killed where a store without transactions is left half done, twice in a row, nothing is lost, little is applied again, and it goes on',
  async () => {
    const cluster = await sharedCluster();
    const client = await testClient(cluster);
    const options = testStoreOptions(cluster);
    const { keyspace } = options;
    const open = async (): Promise<Store> => {
      const store = new CassandraOnlineStore(options);
      await store.connect();
      return store;
    };
    const { nodes, plan, certificatePath } = cluster;
    const given = { cassandra: { cluster: { nodes, plan, certificatePath }, keyspace } };
    await crashEverywhere({
      // What lies between the log and the store is the same for every store, and killed on LMDB.
      points: ['store/rows-written', 'replay/applied', 'takeover/applied'],
      twice: ['store/rows-written'],
      ...{ open, given, leaseMs: LEASE_MS + 1_000 },
    });
    await client.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`, [], { prepare: false });
    await client.shutdown();
  },
  CASSANDRA_TIMEOUT_MS,
);
