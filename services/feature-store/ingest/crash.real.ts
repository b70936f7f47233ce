import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyEncoder } from '@featuremesh/domain/entity-key';
import { decodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import { readHeader } from '@featuremesh/domain/packed-row';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { systemTimer } from '@featuremesh/runtime/timer';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
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
import { loseTestStore } from '@featuremesh/testkit/region/test-store';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { ownWatermark } from './applied-names.ts';
import { Projector } from './projector.ts';
import { NO_STEP } from './replay-step.ts';

let broker: FeedBroker;
let folder: string;
const writers: SpawnedWriter[] = [];

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer(), 'without FEED');
});
afterAll(() => broker.stop());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fm-crash-'));
  await broker.createFeed();
});

afterEach(async () => {
  for (const writer of writers.splice(0)) await writer.kill();
  await broker.deleteFeed();
  await rm(folder, { recursive: true, force: true });
});

function spawnWriter(more: Partial<WriterArguments> = {}): SpawnedWriter {
  const writer = new SpawnedWriter({
    brokerUrl: broker.url,
    storePath: folder,
    slot: 0,
    batches: 100_000,
    writers: 4,
    keyed: false,
    projects: false,
    ...more,
  });
  writers.push(writer);
  return writer;
}

const recover = (slot: number): Promise<WriteRegion> =>
  WriteRegion.start({ brokerUrl: broker.url, world: writerWorld(), slot, storePath: folder });

/**
 * Freezes a writer where it does not hold LMDB's one lock for writing: a process that stands still with it keeps all others from writing until
 * it goes on or dies (README, Limits), which is not what is tried here.
 */
async function freezeBetweenSteps(writer: SpawnedWriter, { store }: WriteRegion): Promise<void> {
  for (;;) {
    writer.freeze();
    const taken = store.apply(NO_STEP).then(() => true);
    if (await Promise.race([taken, systemTimer.sleep(500).then(() => false)])) return;
    writer.thaw();
    await taken;
  }
}

async function missingRows(region: WriteRegion, slot: number, batches: Iterable<number>): Promise<string[]> {
  const encoder = new KeyEncoder([{ name: 'id', type: 'string' }]);
  const missing: string[] = [];
  for (const batch of batches) {
    const ids = Array.from({ length: WRITER_BATCH_ROWS }, (_, at) => writerKey(slot, batch, at));
    const keys = ids.map(id => {
      const key = encoder.encode({ id });
      return key.ok ? key.value : new Uint8Array();
    });
    const rows = await region.store.read(region.parts.world.tableOf('crash'), keys);
    missing.push(...ids.filter((_, at) => rows[at] === undefined));
  }
  return missing;
}

test('S5: no acknowledged row is lost by kill -9 in the middle of writes, time after time', async () => {
  const acknowledged = new Set<number>();
  for (const until of [5, 40, 90]) {
    const writer = spawnWriter();
    await writer.acknowledges(until);
    await writer.kill();
    for (const batch of writer.acknowledged.keys()) acknowledged.add(batch);
  }
  const region = await recover(0);
  expect(acknowledged.size).toBeGreaterThanOrEqual(90);
  expect(await missingRows(region, 0, acknowledged)).toEqual([]);
  // What was appended and not acknowledged is applied as well, since the log is the truth.
  const last = await region.log.lastSequence({ kind: 'own', slot: 0 });
  expect(await region.store.watermark(ownWatermark(0, 'e1'))).toBe(last);
  await region.stop();
});

test('a lost store is built anew from the log', async () => {
  const writer = spawnWriter();
  await writer.acknowledges(30);
  await writer.kill();
  await loseTestStore(join(folder, 'online'));
  const region = await recover(0);
  expect(await missingRows(region, 0, writer.acknowledged.keys())).toEqual([]);
  await region.stop();
});

test('no stamp is given out twice across kill -9, and those of the next process are all later', async () => {
  const writer = spawnWriter();
  await writer.acknowledges(10);
  await writer.kill();
  const region = await recover(0);
  const boundary = await region.log.lastSequence({ kind: 'own', slot: 0 });
  for (let batch = 0; batch < 10; batch += 1) await region.write('crash', writerBatch(0, batch));
  const seen = new Set<string>();
  let [latestOfFirst, earliestOfNext] = [0n, 2n ** 62n];
  let rows = 0;
  for await (const { sequence, body } of region.log.readFrom(0, { kind: 'own', slot: 0 })) {
    for (const { row } of decodeFeedChunk(body)) {
      const { physicalUs, counter, slot } = readHeader(row).stamp;
      seen.add(`${physicalUs}.${counter}.${slot}`);
      rows += 1;
      if (sequence <= boundary && physicalUs > latestOfFirst) latestOfFirst = physicalUs;
      if (sequence > boundary && physicalUs < earliestOfNext) earliestOfNext = physicalUs;
    }
  }
  expect(seen.size).toBe(rows);
  expect(rows).toBeGreaterThanOrEqual(20 * WRITER_BATCH_ROWS);
  expect(latestOfFirst < earliestOfNext).toBe(true);
  await region.stop();
});

test('a retry of a keyed write after kill -9 writes what is missing and nothing twice', async () => {
  const writer = spawnWriter({ keyed: true });
  await writer.acknowledges(25);
  await writer.kill();
  const region = await recover(0);
  const chunks = async (): Promise<number> => {
    let count = 0;
    for await (const _ of region.log.readFrom(0, { kind: 'all-own' })) count += 1;
    return count;
  };
  const before = await chunks();
  for (const [batch, position] of writer.acknowledged) {
    const again = await region.write('crash', writerBatch(0, batch), { idempotencyKey: `batch-${batch}` });
    expect(again).toMatchObject({ accepted: 0, duplicates: WRITER_BATCH_ROWS, position });
  }
  expect(await chunks()).toBe(before);
  await region.stop();
});

test('two processes write one store at once; the tail of one that dies is taken over by the other', async () => {
  const stays = spawnWriter({ slot: 0, projects: true, batches: 60 });
  const dies = spawnWriter({ slot: 1, writers: 8 });
  await Promise.all([stays.acknowledges(60), dies.acknowledges(60)]);
  await dies.kill();
  const region = await recover(2);
  const { store, log } = region;
  expect(await missingRows(region, 0, stays.acknowledged.keys())).toEqual([]);
  await vi.waitFor(
    async () =>
      expect(await store.watermark(ownWatermark(1, 'e1'))).toBe(
        await log.lastSequence({ kind: 'own', slot: 1 }),
      ),
    { timeout: 20_000, interval: 100 },
  );
  expect(await missingRows(region, 1, dies.acknowledged.keys())).toEqual([]);
  await region.stop();
});

test('a process that hangs beyond its lease finds itself fenced, and loses nothing when it goes on', async () => {
  const hangs = spawnWriter({ slot: 1, batches: 400 });
  await hangs.acknowledges(20);
  const region = await recover(0);
  await freezeBetweenSteps(hangs, region);
  const projector = new Projector({
    ...region.parts,
    registry: region.parts.world.registry,
    tables: region.parts.world,
    store: region.store,
    log: region.log,
    region: WORLD_REGION,
    slot: 0,
  });
  projector.start();
  const lease = { name: 'slot.1', holder: 'test' };
  await vi.waitFor(
    async () => {
      const nowMs = Date.now();
      expect(await region.store.acquireLease({ ...lease, nowMs, untilMs: nowMs + 1_000 })).toBeDefined();
    },
    { timeout: 15_000, interval: 200 },
  );
  hangs.thaw();
  await hangs.acknowledges(400);
  await vi.waitFor(async () => expect(await missingRows(region, 1, hangs.acknowledged.keys())).toEqual([]), {
    timeout: 20_000,
    interval: 200,
  });
  await projector.stop();
  await region.stop();
});
