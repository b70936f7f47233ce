import { KeyEncoder } from '@featuremesh/domain/entity-key';
import { parsePosition } from '@featuremesh/domain/position';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { RowDecoder } from '@featuremesh/domain/row-decoder';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { WriteRegion, type WriteRegionOptions } from '@featuremesh/testkit/ingest/write-region';
import { WriteWorld } from '@featuremesh/testkit/ingest/write-world';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { OnlineStore } from '../ports/online-store.ts';
import type { StampBounds } from '../ports/stamp-bounds.ts';
import { ownWatermark } from './applied-names.ts';
import { LEASE_MS } from './ingest-limits.ts';
import type { WriteBody, WriteSummary } from './write-command.ts';

const EVENT = '2026-01-01T00:00:00Z';
const LATER = '2026-01-02T00:00:00Z';
const DAY_MS = 86_400_000;

let broker: FeedBroker;
let world: WriteWorld;
let region: WriteRegion;

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer(), 'without FEED');
});
afterAll(() => broker.stop());

beforeEach(async () => {
  world = new WriteWorld({
    delays: { features: { mean: 'float64?', count: 'int64?', label: 'string' } },
    recent: { features: { mean: 'float64?' }, retentionMs: DAY_MS },
    mine: { features: { mean: 'float64?' }, regions: ['us-east-1'] },
    theirs: { features: { mean: 'float64?' } },
  });
  await broker.createFeed();
  region = await start();
});

afterEach(async () => {
  await region.stop();
  await broker.deleteFeed();
});

const start = (more: Partial<WriteRegionOptions> = {}): Promise<WriteRegion> =>
  WriteRegion.start({ brokerUrl: broker.url, world, ...more });

const restart = async (more: Partial<WriteRegionOptions>): Promise<void> => {
  await region.stop();
  region = await start(more);
};

const row = (id: string, mean: number, eventTime = EVENT) => ({
  key: { id },
  eventTime,
  features: { mean, label: 'x' },
});

async function meanOf(id: string, group = 'delays'): Promise<unknown> {
  const found = world.registry.state().groups.find(({ definition }) => definition.name === group);
  if (found === undefined) throw new Error('no group');
  const key = new KeyEncoder(found.joinKeys).encode({ id });
  const [packed] = await region.store.read(world.tableOf(group), [key.ok ? key.value : new Uint8Array()]);
  if (packed === undefined) return undefined;
  const columns: unknown[][] = [[]];
  new RowDecoder(found.revisions, ['mean']).decodeInto(packed, columns, 0);
  return columns[0]?.[0];
}

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'fulfilled',
    (error: unknown) => (error instanceof ProblemError ? error.problem.code : error),
  );

const ndjson = (lines: readonly string[]): WriteBody => ({
  kind: 'ndjson',
  lines: (async function* () {
    for (let at = 0; at < lines.length; at += 100) yield lines.slice(at, at + 100);
  })(),
});

/** What is answered as APPLIED is there at once; a slow store may still be applying what is answered as PENDING. */
async function expectRows(count: number, { online }: WriteSummary): Promise<void> {
  const counted = (): Promise<number> => region.store.countRows(world.tableOf('delays'));
  if (online === 'PENDING') await expect.poll(counted, { timeout: 20_000 }).toBe(count);
  expect(await counted()).toBe(count);
}

test('a write is in the log and in the store when it is answered, and its position says where', async () => {
  const summary = await region.write('delays', [row('a', 1), row('b', 2)]);
  expect(summary).toMatchObject({ accepted: 2, duplicates: 0, rejectedTotal: 0, online: 'APPLIED' });
  expect(await meanOf('b')).toBe(2);
  const position = parsePosition(summary.position ?? '');
  expect(position).toMatchObject({ origin: 'us-east-1', feedEpoch: 'e1', appender: 0 });
  if (position === undefined) return;
  expect(await region.store.appliedPosition(position)).toBe(position.sequence);
  expect(await region.log.lastSequence({ kind: 'own', slot: 0 })).toBe(position.sequence);
  expect(await region.store.watermark(ownWatermark(0, 'e1'))).toBe(position.sequence);
});

test('bad rows are listed by index with their code, and cost nothing else', async () => {
  const rows = [
    row('a', 1),
    { key: { id: 'b' }, eventTime: 'today', features: { label: 'x' } },
    row('c', 3),
    7,
  ];
  const summary = await region.write('delays', rows);
  expect(summary.accepted).toBe(2);
  expect(summary.rejected.map(({ index, code }) => [index, code])).toEqual([
    [1, 'INVALID_EVENT_TIME'],
    [3, 'MALFORMED_ROW'],
  ]);
  expect(await meanOf('c')).toBe(3);
});

test('rows of many chunks keep their indices, and at most 1,000 rejections are listed', async () => {
  const rows = Array.from({ length: 3_000 }, (_, at) => (at % 2 === 0 ? row(`k${at}`, at) : { key: {} }));
  const summary = await region.write('delays', rows);
  expect(summary).toMatchObject({ accepted: 1_500, rejectedTotal: 1_500 });
  expect(summary.rejected.map(({ index }) => index)).toEqual(
    Array.from({ length: 1_000 }, (_, at) => 2 * at + 1),
  );
  await expectRows(1_500, summary);
});

test('S4 and S2: an older event and the same write again change nothing', async () => {
  await region.write('delays', [row('a', 2, LATER)]);
  await region.write('delays', [row('a', 1, EVENT)]);
  expect(await meanOf('a')).toBe(2);
  await region.write('delays', [{ key: { id: 'a' }, eventTime: '2026-01-03T00:00:00Z', deleted: true }]);
  await region.write('delays', [row('a', 3, LATER)]);
  expect(await meanOf('a')).toBe(null);
});

test('several rows of one key in a batch are normal, equal key, event time and created time are not', async () => {
  const created = { createdTime: EVENT };
  const summary = await region.write('delays', [
    row('a', 1),
    row('a', 2, LATER),
    row('a', 3),
    { ...row('a', 4), ...created },
    { ...row('a', 5), ...created },
  ]);
  expect(summary.rejected.map(({ index, code }) => [index, code])).toEqual([
    [2, 'DUPLICATE_ROW'],
    [4, 'DUPLICATE_ROW'],
  ]);
});

test('onReject=fail accepts all or nothing, of one chunk at most', async () => {
  const fail = { onReject: 'fail' } as const;
  const refused = await region.write('delays', [row('a', 1), { key: {} }], fail);
  expect(refused).toMatchObject({ accepted: 0, rejectedTotal: 1, position: null });
  expect(await meanOf('a')).toBeUndefined();
  expect(await region.write('delays', [row('a', 1)], fail)).toMatchObject({ accepted: 1 });
  const many = Array.from({ length: 513 }, (_, at) => row(`k${at}`, at));
  expect(await codeOf(region.write('delays', many, fail))).toBe('TOO_MANY_ROWS');
});

test('unknown, retired, forbidden and unready groups are refused as such', async () => {
  world.define('gone', { features: { a: 'bool?' }, state: 'retired' });
  expect(await codeOf(region.write('nothing', [row('a', 1)]))).toBe('UNKNOWN_GROUP');
  expect(await codeOf(region.write('delays@v7', [row('a', 1)]))).toBe('UNKNOWN_VERSION');
  expect(await codeOf(region.write('gone', [row('a', 1)]))).toBe('GROUP_RETIRED');
  world.restrict('theirs', ['eu-west-1']);
  expect(await codeOf(region.write('theirs', [row('a', 1)]))).toBe('WRITE_REFUSED_BY_POLICY');
  world.hideTable('delays');
  expect(await codeOf(region.write('delays', [row('a', 1)]))).toBe('NOT_ENFORCED_YET');
});

test('R2: with a writer that checked too early the broker still refuses the group', async () => {
  await broker.updateFeed({ subjects: [`FEED.${world.idOf('mine')}.>`] });
  expect(await codeOf(region.write('delays', [row('a', 1)]))).toBe('NOT_ENFORCED_YET');
  expect(await meanOf('a')).toBeUndefined();
  expect(await codeOf(region.write('mine', [{ key: { id: 'a' }, eventTime: EVENT }]))).toBe('fulfilled');
});

test('a full log refuses, and takes rows again when it has room', async () => {
  await region.write('delays', [row('a', 1)]);
  await broker.updateFeed({ maxBytes: 2_000 });
  const rows = Array.from({ length: 100 }, (_, at) => row(`k${at}`, at));
  expect(await codeOf(region.write('delays', rows))).toBe('LOG_FULL');
  expect(await region.store.countRows(world.tableOf('delays'))).toBe(1);
  await broker.updateFeed({ maxBytes: -1 });
  expect(await region.write('delays', rows)).toMatchObject({ accepted: 100, online: 'APPLIED' });
});

test('an idempotency key makes a retry safe, also with rejections, also after a restart', async () => {
  const rows = [...Array.from({ length: 700 }, (_, at) => row(`k${at}`, at)), { key: {} }];
  const first = await region.write('delays', rows, { idempotencyKey: 'k-1' });
  expect(first).toMatchObject({ accepted: 700, duplicates: 0, rejectedTotal: 1 });
  const messages = await region.log.lastSequence({ kind: 'all-own' });
  const again = await region.write('delays', rows, { idempotencyKey: 'k-1' });
  expect(again).toEqual({ ...first, accepted: 0, duplicates: 700 });
  expect(await region.log.lastSequence({ kind: 'all-own' })).toBe(messages);
  const other = await region.write('delays', rows, { idempotencyKey: 'k-1', caller: 'someone-else' });
  expect(other).toMatchObject({ accepted: 700, duplicates: 0 });
});

test('an idempotency key is not to be used for another body, nor as JSON once and as lines then', async () => {
  await region.write('delays', [row('a', 1)], { idempotencyKey: 'k-2' });
  expect(await codeOf(region.write('delays', [row('a', 2)], { idempotencyKey: 'k-2' }))).toBe(
    'IDEMPOTENCY_KEY_REUSED',
  );
  const lines = ndjson([JSON.stringify(row('a', 1))]);
  expect(await codeOf(region.write('delays', [], { idempotencyKey: 'k-2', body: lines }))).toBe(
    'IDEMPOTENCY_KEY_REUSED',
  );
  expect(await meanOf('a')).toBe(1);
});

test('racing requests with one key write once', async () => {
  const racing = Array.from({ length: 8 }, () =>
    region.write('delays', [row('a', 1)], { idempotencyKey: 'k-3' }),
  );
  const answers = await Promise.all(racing);
  expect(answers.map(({ accepted }) => accepted).toSorted()).toEqual([0, 0, 0, 0, 0, 0, 0, 1]);
  expect(new Set(answers.map(({ position }) => position)).size).toBe(1);
  let messages = 0;
  for await (const _ of region.log.readFrom(0, { kind: 'all-own' })) messages += 1;
  expect(messages).toBe(1);
});

test('the idempotency index is bounded, and a lost one is rebuilt from the log', async () => {
  await restart({ limits: { maxIdempotencyEntries: 1 } });
  const rows = [row('a', 1), { key: {} }];
  const first = await region.write('delays', rows, { idempotencyKey: 'k-4' });
  expect(await codeOf(region.write('delays', rows, { idempotencyKey: 'k-5' }))).toBe(
    'IDEMPOTENCY_INDEX_FULL',
  );
  expect(await codeOf(region.write('delays', rows))).toBe('fulfilled');
  // A new folder: all that the store held is gone.
  await restart({});
  expect(await meanOf('a')).toBe(1);
  const again = await region.write('delays', rows, { idempotencyKey: 'k-4' });
  expect(again).toEqual({ ...first, accepted: 0, duplicates: 1 });
});

test('rows older than the retention cut-off are accepted into the log and left out of the store', async () => {
  const nowMs = region.parts.clock.nowMs();
  const old = new Date(nowMs - 2 * DAY_MS).toISOString();
  const young = new Date(nowMs - 1_000).toISOString();
  const at = (id: string, eventTime: string) => ({ key: { id }, eventTime, features: { mean: 1 } });
  expect(await region.write('recent', [at('old', old), at('young', young)])).toMatchObject({ accepted: 2 });
  expect(await meanOf('old', 'recent')).toBeUndefined();
  expect(await meanOf('young', 'recent')).toBe(1);
});

test('while the store is down rows are acknowledged as PENDING, and applied when it is back', async () => {
  let down = false;
  await restart({ wrapStore: store => failing(store, () => down) });
  await region.write('delays', [row('a', 1)]);
  down = true;
  const pending = await region.write('delays', [row('a', 2, LATER), row('b', 3)]);
  expect(pending).toMatchObject({ accepted: 2, online: 'PENDING' });
  expect(await codeOf(region.write('delays', [row('c', 1)], { idempotencyKey: 'k' }))).toBe(
    'STORE_UNAVAILABLE',
  );
  expect(region.ingest.isBehind).toBe(true);
  // Longer than the lease and the stamps' bound reach.
  await region.parts.timer.sleep(LEASE_MS + 1_000);
  expect(await region.write('delays', [row('e', 5)])).toMatchObject({ accepted: 1, online: 'PENDING' });
  down = false;
  await vi.waitFor(async () => expect(region.ingest.isBehind).toBe(false), 5_000);
  expect(await meanOf('e')).toBe(5);
  expect([await meanOf('a'), await meanOf('b')]).toEqual([2, 3]);
  const position = parsePosition(pending.position ?? '');
  expect(await region.store.watermark(ownWatermark(0, 'e1'))).toBeGreaterThan(position?.sequence ?? Infinity);
  expect(await region.write('delays', [row('d', 4)])).toMatchObject({ online: 'APPLIED' });
});

test('a broker that is killed costs an error, never an acknowledged row', async () => {
  const before = await region.write('delays', [row('a', 1)]);
  expect(before.online).toBe('APPLIED');
  await broker.kill();
  expect(await codeOf(region.write('delays', [row('b', 2)]))).toBe('LOG_UNAVAILABLE');
  await broker.resume();
  await vi.waitFor(
    async () => expect(await codeOf(region.write('delays', [row('c', 3)]))).toBe('fulfilled'),
    10_000,
  );
  expect([await meanOf('a'), await meanOf('c')]).toEqual([1, 3]);
  const sequences: number[] = [];
  for await (const { sequence } of region.log.readFrom(0, { kind: 'own', slot: 0 })) sequences.push(sequence);
  expect(sequences[0]).toBe(1);
});

test('above the bound of chunks in flight new requests are refused with a time to retry', async () => {
  await restart({ limits: { maxRowsInFlight: 1, maxBytesInFlight: 1_000 } });
  const leave = region.ingest.admit(900);
  expect(() => region.ingest.admit(200)).toThrow('OVERLOADED');
  leave();
  region.ingest.admit(200)();
});

test('a stream of lines is written in chunks; a bad line in it is one rejected index', async () => {
  const lines = Array.from({ length: 5_000 }, (_, at) => JSON.stringify(row(`k${at}`, at)));
  lines[4_097] = '{"key":';
  lines[4_098] = '';
  const summary = await region.write('delays', [], { body: ndjson(lines) });
  expect(summary).toMatchObject({ accepted: 4_998, rejectedTotal: 1 });
  expect(summary.rejected).toEqual([
    { index: 4_097, code: 'MALFORMED_ROW', message: 'the line is not valid JSON' },
  ]);
  await expectRows(4_998, summary);
});

test('a log that fails after many chunks still leaves a full summary', async () => {
  const lines = Array.from({ length: 3_000 }, (_, at) => JSON.stringify(row(`k${at}`, at)));
  const body: WriteBody = {
    kind: 'ndjson',
    lines: (async function* () {
      yield lines.slice(0, 1_500);
      await broker.updateFeed({ subjects: [`FEED.${world.idOf('mine')}.>`] });
      yield lines.slice(1_500);
    })(),
  };
  const summary = await region.write('delays', [], { body });
  expect(summary.accepted % 512).toBe(0);
  expect(summary.accepted).toBeGreaterThanOrEqual(512);
  expect(summary.accepted + summary.rejectedTotal).toBe(3_000);
  expect(new Set(summary.rejected.map(({ code }) => code))).toEqual(new Set(['NOT_ENFORCED_YET']));
  await expectRows(summary.accepted, summary);
});

test('a policy that tightens while a stream is read stops it at the next chunk', async () => {
  const lines = Array.from({ length: 2_000 }, (_, at) => JSON.stringify(row(`k${at}`, at)));
  const body: WriteBody = {
    kind: 'ndjson',
    lines: (async function* () {
      yield lines.slice(0, 700);
      world.restrict('delays', ['eu-west-1']);
      yield lines.slice(700);
    })(),
  };
  const summary = await region.write('delays', [], { body });
  expect(summary).toMatchObject({ accepted: 512, rejectedTotal: 1_488 });
  expect(new Set(summary.rejected.map(({ code }) => code))).toEqual(new Set(['WRITE_REFUSED_BY_POLICY']));
});

test('a draining process refuses writes', async () => {
  await region.ingest.drain();
  expect(await codeOf(region.write('delays', [row('a', 1)]))).toBe('SHUTTING_DOWN');
});

function failing(store: OnlineStore & StampBounds, isDown: () => boolean): OnlineStore & StampBounds {
  return new Proxy<OnlineStore & StampBounds>(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      if (name === 'acquireLease' || name === 'raiseStampBound' || name === 'close')
        return member.bind(target);
      return (...args: unknown[]) =>
        isDown()
          ? Promise.reject(new ProblemError(problem('STORE_UNAVAILABLE', 'down')))
          : Reflect.apply(member, target, args);
    },
  });
}
