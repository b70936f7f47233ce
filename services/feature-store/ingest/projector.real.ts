import { encodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import type { Position } from '@featuremesh/domain/position';
import { regionId } from '@featuremesh/domain/region-id';
import {
  CURSOR_TOKEN,
  FEED_HEADERS,
  feedImportSubject,
  LINK_PROGRESS_SUBJECT,
} from '@featuremesh/domain/subjects';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { testKey, testRow } from '@featuremesh/testkit/generators/packed-rows';
import { WriteRegion } from '@featuremesh/testkit/ingest/write-region';
import { WORLD_REGION, WriteWorld } from '@featuremesh/testkit/ingest/write-world';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { importsWatermark, ownWatermark } from './applied-names.ts';
import { LagTracker } from './lag-tracker.ts';
import { Projector } from './projector.ts';

const EU = regionId('eu-west-1');
const DAY_US = 86_400_000_000n;
const NOW_US = BigInt(Date.now()) * 1_000n;

let broker: FeedBroker;
let world: WriteWorld;
let region: WriteRegion;
const projectors: Projector[] = [];

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer(), 'without FEED');
});
afterAll(() => broker.stop());

beforeEach(async () => {
  await broker.createFeed();
  world = new WriteWorld({
    delays: { features: { text: 'string?' } },
    recent: { features: { text: 'string?' }, retentionMs: 86_400_000 },
    local: { features: { text: 'string?' }, mode: 'local' },
  });
  region = await WriteRegion.start({ brokerUrl: broker.url, world });
});

afterEach(async () => {
  for (const projector of projectors.splice(0)) await projector.stop();
  await region.stop();
  await broker.deleteFeed();
});

function startProjector(): Projector {
  const { store, log, parts } = region;
  const projector = new Projector({
    ...parts,
    registry: world.registry,
    tables: world,
    store,
    log,
    region: WORLD_REGION,
    slot: 0,
  });
  projectors.push(projector);
  projector.start();
  return projector;
}

const row = (eventTimeUs: bigint): Uint8Array => testRow({ eventTimeUs, origin: EU });

let linkSeq = 0;

function cursorOf(watermarks: readonly Position[], appenders: Readonly<Record<string, number>> = {}): object {
  return {
    peer: EU,
    linkEpoch: 'l1',
    linkSeq: ++linkSeq,
    hash: '',
    origin: EU,
    feedEpoch: 'eu1',
    appenders,
    watermarks,
    sentAtMs: 1,
  };
}

function publishImport(
  groupId: string,
  rows: readonly [string, Uint8Array][],
  through = 1,
  watermarks: readonly Position[] = [],
): Promise<void> {
  const chunk = rows.map(([id, packed]) => ({ key: testKey(id), row: packed }));
  const body = rows.length === 0 ? new Uint8Array() : encodeFeedChunk(chunk);
  const version = groupId === CURSOR_TOKEN ? 0 : 1;
  const cursor = cursorOf(watermarks, rows.length === 0 ? {} : { 0: through });
  return broker.publish(feedImportSubject(groupId, version, EU), body, {
    [FEED_HEADERS.link]: JSON.stringify(cursor),
  });
}

async function stored(name: string, id: string): Promise<Uint8Array | undefined> {
  const [found] = await region.store.read(world.tableOf(name), [testKey(id)]);
  return found === undefined ? undefined : Uint8Array.from(found);
}

const appliedThrough = (sequence: number): Promise<void> =>
  vi.waitFor(async () => expect(await region.store.watermark(importsWatermark('e1'))).toBe(sequence), {
    timeout: 10_000,
    interval: 20,
  });

test('imports are applied byte for byte, with the position of their origin', async () => {
  startProjector();
  const packed = row(5n);
  await publishImport(world.idOf('delays'), [['a', packed]], 41);
  await appliedThrough(1);
  expect(await stored('delays', 'a')).toEqual(packed);
  const of = { origin: EU, feedEpoch: 'eu1', groupId: world.idOf('delays'), appender: 0 };
  expect(await region.store.appliedPosition(of)).toBe(41);
});

test('the vector of a finished snapshot becomes the positions reached, with rows or without', async () => {
  startProjector();
  const groupId = world.idOf('delays');
  const vector = (appender: number, sequence: number): Position => ({
    origin: regionId('us-west-2'),
    feedEpoch: 'w1',
    groupId,
    appender,
    sequence,
  });
  await publishImport(groupId, [['a', row(5n)]], 41, [vector(0, 7)]);
  await publishImport(CURSOR_TOKEN, [], 0, [vector(1, 9)]);
  await appliedThrough(2);
  const positions = await region.store.appliedPositions(groupId);
  expect(positions.filter(({ origin }) => origin === 'us-west-2')).toEqual([vector(0, 7), vector(1, 9)]);
});

test('imports already there, new ones, and cursor-only messages all move the watermark', async () => {
  const id = world.idOf('delays');
  for (let at = 0; at < 40; at += 1) await publishImport(id, [[`k${at}`, row(BigInt(at))]], at);
  startProjector();
  await appliedThrough(40);
  await publishImport(CURSOR_TOKEN, []);
  await appliedThrough(41);
  await publishImport(id, [['k0', row(99n)]], 50);
  await appliedThrough(42);
  expect(await region.store.countRows(world.tableOf('delays'))).toBe(40);
  expect(await stored('delays', 'k0')).toEqual(row(99n));
});

test('S4: an older import does not replace what was written here, and the other way round', async () => {
  startProjector();
  const write = (id: string, eventTime: string) =>
    region.write('delays', [{ key: { id }, eventTime, features: { text: 'own' } }]);
  await write('a', '2026-01-02T00:00:00Z');
  const [older, newer] = ['2026-01-01T00:00:00Z', '2026-01-03T00:00:00Z'].map(
    time => BigInt(Date.parse(time)) * 1_000n,
  );
  const own = await stored('delays', 'a');
  await publishImport(world.idOf('delays'), [
    ['a', row(older ?? 0n)],
    ['b', row(newer ?? 0n)],
  ]);
  await appliedThrough(2);
  await write('b', '2026-01-02T00:00:00Z');
  expect(await stored('delays', 'a')).toEqual(own);
  expect(await stored('delays', 'b')).toEqual(row(newer ?? 0n));
});

test('rows behind the retention cut-off, and rows that may not be held here, pass by', async () => {
  startProjector();
  await publishImport(world.idOf('recent'), [
    ['old', row(NOW_US - 2n * DAY_US)],
    ['young', row(NOW_US - 1_000_000n)],
  ]);
  await publishImport(world.idOf('local'), [['a', row(5n)]]);
  await appliedThrough(2);
  expect(await stored('recent', 'old')).toBeUndefined();
  expect(await stored('recent', 'young')).toBeDefined();
  expect(await stored('local', 'a')).toBeUndefined();
});

test('a group that is not known yet is waited for, never passed over', async () => {
  startProjector();
  const before = await region.log.lastSequence({ kind: 'imports' });
  const nextId = 'groupdaaaaaaaaaa';
  await publishImport(nextId, [['a', row(5n)]]);
  await region.parts.timer.sleep(300);
  expect(await region.store.watermark(importsWatermark('e1'))).toBe(before);
  world.define('late', { features: { text: 'string?' } });
  expect(world.idOf('late')).toBe(nextId);
  await region.store.ensureTables([world.tableOf('late')]);
  await appliedThrough(before + 1);
  expect(await stored('late', 'a')).toEqual(row(5n));
});

test('a chunk that does not decode is left behind, and the next one applied', async () => {
  startProjector();
  await broker.publish(feedImportSubject(world.idOf('delays'), 1, EU), Buffer.from('no chunk'), {
    [FEED_HEADERS.link]: JSON.stringify(cursorOf([])),
  });
  const keyless = encodeFeedChunk([{ key: new Uint8Array(), row: row(5n) }]);
  await broker.publish(feedImportSubject(world.idOf('delays'), 1, EU), keyless, {
    [FEED_HEADERS.link]: JSON.stringify(cursorOf([])),
  });
  await publishImport(world.idOf('delays'), [['a', row(5n)]]);
  await appliedThrough(3);
  expect(await stored('delays', 'a')).toEqual(row(5n));
});

test('an own chunk that does not decode keeps nobody from its slot', async () => {
  const subject = `FEED.${world.idOf('delays')}.1.own.3`;
  await broker.publish(subject, Buffer.from('no chunk'));
  await broker.publish(subject, encodeFeedChunk([{ key: testKey('a'), row: row(5n) }]));
  const successor = await WriteRegion.start({ brokerUrl: broker.url, world, slot: 3 });
  const [found] = await successor.store.read(world.tableOf('delays'), [testKey('a')]);
  expect(found && Uint8Array.from(found)).toEqual(row(5n));
  await successor.stop();
});

test('one projector is active, and another takes over when it stops', async () => {
  const first = startProjector();
  await vi.waitFor(() => expect(first.isActive).toBe(true));
  const second = startProjector();
  await region.parts.timer.sleep(1_500);
  expect([first.isActive, second.isActive]).toEqual([true, false]);
  await first.stop();
  await vi.waitFor(() => expect(second.isActive).toBe(true), { timeout: 5_000 });
  await publishImport(world.idOf('delays'), [['a', row(5n)]]);
  await appliedThrough(1);
});

test('the tail of a slot whose process is gone is applied, and its lease freed', async () => {
  const chunk = encodeFeedChunk([{ key: testKey('a'), row: testRow({ eventTimeUs: 3n }) }]);
  await broker.publish(`FEED.${world.idOf('delays')}.1.own.7`, chunk);
  startProjector();
  await vi.waitFor(async () => expect(await region.store.watermark(ownWatermark(7, 'e1'))).toBe(1), {
    timeout: 10_000,
  });
  expect(await stored('delays', 'a')).toEqual(testRow({ eventTimeUs: 3n }));
  const lease = { name: 'slot.7', holder: 'me' };
  await vi.waitFor(
    async () => {
      const nowMs = Date.now();
      expect(await region.store.acquireLease({ ...lease, nowMs, untilMs: nowMs + 1_000 })).toBeDefined();
    },
    { timeout: 10_000 },
  );
});

test('S6: lag is unknown at first, never 0 while a report is not applied, and known when it is', async () => {
  const lag = new LagTracker({ ...region.parts, log: region.log, store: region.store });
  lag.start();
  expect(lag.lagMs(EU)).toBeNull();
  await publishImport(world.idOf('delays'), [['a', row(5n)]]);
  const knownAsOfMs = Date.now();
  const report = { peer: EU, knownAsOfMs, throughSequence: 1 };
  await region.log.lastSequence({ kind: 'imports' });
  void broker.publish(LINK_PROGRESS_SUBJECT, Buffer.from(JSON.stringify(report))).catch(() => undefined);
  await region.parts.timer.sleep(400);
  expect(lag.lagMs(EU)).toBeNull();
  startProjector();
  await vi.waitFor(() => expect(lag.lagMs(EU)).not.toBeNull(), { timeout: 5_000 });
  expect(lag.lagMs(EU)).toBeGreaterThanOrEqual(300);
  lag.stop();
});
