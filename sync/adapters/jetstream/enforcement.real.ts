import { createLinkKey } from '@featuremesh/cli/region/link-key';
import { encodeLinkRows, type LinkMessage, rowHashSum } from '@featuremesh/contracts/link-batch-codec';
import { FIRST_PREVIOUS_HASH } from '@featuremesh/contracts/link-envelope';
import { decodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import { feedOwnSubject } from '@featuremesh/domain/subjects';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { LinkedBrokers } from '@featuremesh/infra/nats/testing/linked-brokers';
import { brokerFiles } from '@featuremesh/runtime/broker-files';
import { createLogger } from '@featuremesh/runtime/logger';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import {
  EAST,
  linkState,
  PINNED_GROUP,
  SHARED_GROUP,
  testChunk,
  WEST,
} from '@featuremesh/testkit/links/link-world';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { compilePolicy } from '../../policy-compiler/compile.ts';
import type { ImportAppend } from '../../ports/feed.ts';
import { openRegionBroker, type RegionBroker } from './region-broker.ts';

const FEED_LIMITS = { maxBytes: 1024 ** 3, maxAgeHours: 24 };
const logger = createLogger({}, { level: 'silent' });
let brokers: LinkedBrokers;
let east: RegionBroker;
let revision = 0;

beforeAll(async () => {
  brokers = await LinkedBrokers.start({
    binary: await locateNatsServer(),
    regions: [EAST, WEST],
    linkKeys: createLinkKey,
  });
  east = await openEast();
});

beforeEach(() => permit(['shared']));

afterAll(async () => {
  await east.close();
  await brokers.stop();
});

function openEast(feedLimits = FEED_LIMITS): Promise<RegionBroker> {
  return openRegionBroker({
    self: EAST,
    peers: [WEST],
    servers: brokers.url(EAST),
    password: user => brokers.password(EAST, user),
    files: brokerFiles(brokers.config(EAST).dataDir),
    replicas: 1,
    feedLimits,
    timer: systemTimer,
    random: systemRandom,
    logger,
  });
}

async function permit(groups: readonly string[]): Promise<void> {
  await east.broker.enforce(compilePolicy(linkState(EAST, ++revision, groups), Date.now()));
}

function outOf(region: RegionBroker): (typeof region.links)[number]['out'] {
  const [link] = region.links;
  if (link === undefined) throw new Error('no link');
  return link.out;
}

/** A well-formed batch that would be accepted, were its group permitted. */
function batch(groupId: string, linkSeq: number, salt = 1): LinkMessage {
  const rows = decodeFeedChunk(testChunk(EAST, 3, salt));
  return {
    envelope: {
      protocolVersion: 1,
      kind: 'live',
      linkEpoch: 'e1',
      linkSeq,
      previousHash: FIRST_PREVIOUS_HASH,
      groupId,
      version: 1,
      schemaHash: '',
      policyEpoch: '',
      origin: EAST,
      feedEpoch: 'f1',
      appenders: { 0: [1, 1] },
      rows: rows.length,
      rowHashSum: rowHashSum(rows),
      clockMinUs: '0',
      clockMaxUs: '0',
      sentAtMs: 1,
    },
    body: encodeLinkRows(rows),
  };
}

async function streamOf(user: 'sync' | `links.${string}`, name: string) {
  const connection = await connect({ servers: brokers.url(EAST), user, pass: brokers.password(EAST, user) });
  const info = await (await jetstreamManager(connection)).streams.info(name, { subjects_filter: '>' });
  await connection.close();
  return info;
}

test('an exporter that ships everything is refused by two walls of the broker, each alone (R2)', async () => {
  const out = outOf(east);
  const { lastSeq } = await out.head();
  expect(await out.publish(batch(PINNED_GROUP.id, lastSeq + 1))).toBe('refused');
  expect(await out.publish(batch(SHARED_GROUP.id, lastSeq + 1))).toBe('stored');
  // The relay's permission alone: OUT lists the group, the relay still may not publish it.
  const user = `links.${WEST}` as const;
  const connection = await connect({ servers: brokers.url(EAST), user, pass: brokers.password(EAST, user) });
  const manager = await jetstreamManager(connection);
  const { config } = await manager.streams.info('OUT');
  await manager.streams.update('OUT', { ...config, subjects: ['OUT.>'] });
  await connection.close();
  expect(await out.publish(batch(PINNED_GROUP.id, lastSeq + 2))).toBe('refused');
  expect((await out.head()).lastSeq).toBe(lastSeq + 1);
});

test('FEED refuses rows of a group that may not be here, of a writer and of an importer (R2)', async () => {
  const connection = await connect({
    servers: brokers.url(EAST),
    user: 'service',
    pass: brokers.password(EAST, 'service'),
  });
  const client = jetstream(connection, { timeout: 2_000 });
  await expect(
    client.publish(feedOwnSubject('unknownaaaaaaaaa', 1, 0), testChunk(EAST, 1, 1)),
  ).rejects.toThrow();
  expect(await client.publish(feedOwnSubject(SHARED_GROUP.id, 1, 0), testChunk(EAST, 1, 1))).toMatchObject({
    stream: 'FEED',
  });
  await connection.close();
  const message = (groupId: string, expectedSequence: number): ImportAppend => ({
    peer: WEST,
    rows: { groupId, version: 1, body: testChunk(WEST, 1, 1) },
    cursor: { linkEpoch: 'e', linkSeq: 1, hash: FIRST_PREVIOUS_HASH, open: [], retired: [] },
    origin: WEST,
    feedEpoch: 'f',
    appenders: {},
    watermarks: [],
    sentAtMs: 1,
    expectedSequence,
  });
  expect(await east.sink.append(message(PINNED_GROUP.id, 0))).toEqual({ kind: 'refused' });
  expect(await east.sink.append(message(SHARED_GROUP.id, 0))).toMatchObject({ kind: 'stored' });
  expect(await east.sink.append(message(SHARED_GROUP.id, 0))).toEqual({ kind: 'fenced' });
  const cursor = await east.sink.cursor(WEST);
  expect(cursor).toMatchObject({ linkEpoch: 'e', linkSeq: 1 });
  expect(await east.sink.append(message(SHARED_GROUP.id, cursor?.sequence ?? 0))).toMatchObject({
    kind: 'stored',
  });
});

test('of two exporters of one link each link_seq goes to one, and none of the batches of the other is stored (S10)', async () => {
  const rival = await openEast();
  const [first, second] = [outOf(east), outOf(rival)];
  const { lastSeq } = await first.head();
  const outcomes: string[] = [];
  for (let turn = 1; turn <= 20; turn++) {
    const both = await Promise.all([
      first.publish(batch(SHARED_GROUP.id, lastSeq + turn, 1)),
      second.publish(batch(SHARED_GROUP.id, lastSeq + turn, 2)),
    ]);
    outcomes.push(both.toSorted().join(' '));
  }
  expect(new Set(outcomes)).toEqual(new Set(['fenced stored']));
  expect((await first.head()).lastSeq).toBe(lastSeq + 20);
  await rival.close();
});

test('a tightening takes the permission away and removes what is queued, without dropping the relay (R4)', async () => {
  const out = outOf(east);
  const { lastSeq } = await out.head();
  expect(await out.publish(batch(SHARED_GROUP.id, lastSeq + 1))).toBe('stored');
  const startedAt = performance.now();
  await permit([]);
  const tookMs = performance.now() - startedAt;
  const { state, config } = await streamOf(`links.${WEST}`, 'OUT');
  expect(config.subjects).toEqual(['OUT._link']);
  expect(Object.keys(state.subjects ?? {})).not.toContain(`OUT.${SHARED_GROUP.id}`);
  expect(await out.publish(batch(SHARED_GROUP.id, lastSeq + 2))).toBe('refused');
  // What was removed is still told to the exporter, so that the peer does not take it for a gap.
  expect(await out.purgeGroup(SHARED_GROUP.id)).toMatchObject({ through: lastSeq + 1 });
  expect(await out.purgeGroup(SHARED_GROUP.id)).toBeUndefined();
  expect((await streamOf('sync', 'FEED')).config.subjects).not.toContain(
    `FEED.${SHARED_GROUP.id}.1.in.${WEST}`,
  );
  expect(tookMs).toBeLessThan(1_000);
  await permit(['shared']);
  expect(await out.publish(batch(SHARED_GROUP.id, lastSeq + 2))).toBe('stored');
});

test('the head survives acknowledgement and trimming: the last batch stays readable for its hash', async () => {
  const out = outOf(east);
  const { lastSeq } = await out.head();
  const last = batch(SHARED_GROUP.id, lastSeq + 1, 7);
  expect(await out.publish(last)).toBe('stored');
  await out.trim();
  const head = await out.head();
  expect(head.lastSeq).toBe(lastSeq + 1);
  expect(head.last?.envelope).toEqual(last.envelope);
  expect(await out.pending()).toBeGreaterThan(0);
  await out.setLinkEpoch('another');
  expect((await out.head()).linkEpoch).toBe('another');
});

test('ship cursors are kept one per group', async () => {
  const out = outOf(east);
  await out.saveCursor(SHARED_GROUP.id, { feedEpoch: 'f', sequence: 5 });
  await out.saveCursor(SHARED_GROUP.id, { feedEpoch: 'f', sequence: 9 });
  expect(await out.cursors()).toEqual(new Map([[SHARED_GROUP.id, { feedEpoch: 'f', sequence: 9 }]]));
  expect((await streamOf(`links.${WEST}`, 'CUR')).state.messages).toBe(1);
});

test('a batch is held once, listed oldest first, and gone when released', async () => {
  const held = (linkSeq: number) => ({
    peer: WEST,
    linkEpoch: 'e1',
    linkSeq,
    reason: 'unknown-version' as const,
    bytes: Buffer.from(`batch ${linkSeq}`),
  });
  for (const linkSeq of [4, 5, 4, 5, 6]) await east.sink.hold(held(linkSeq));
  const entries = await east.sink.held(WEST, { after: 0, limit: 10 });
  expect(entries.map(entry => [entry.linkSeq, entry.reason, Buffer.from(entry.bytes).toString()])).toEqual([
    [4, 'unknown-version', 'batch 4'],
    [5, 'unknown-version', 'batch 5'],
    [6, 'unknown-version', 'batch 6'],
  ]);
  expect(await east.sink.held(WEST, { after: 0, limit: 2 })).toHaveLength(2);
  const [, second, third] = entries.map(({ position }) => position);
  const behind = await east.sink.held(WEST, { after: second ?? 0, limit: 2 });
  expect(behind.map(({ linkSeq, position }) => [linkSeq, position])).toEqual([[6, third]]);
  expect(await east.sink.held(WEST, { after: third ?? 0, limit: 2 })).toEqual([]);
  expect(await east.sink.held('eu-west-1', { after: 0, limit: 2 })).toEqual([]);
  await entries[1]?.release();
  expect((await east.sink.held(WEST, { after: 0, limit: 10 })).map(entry => entry.linkSeq)).toEqual([4, 6]);
});

test('a tail gives own chunks of its group alone, in order, as they come', async () => {
  const connection = await connect({
    servers: brokers.url(EAST),
    user: 'sync',
    pass: brokers.password(EAST, 'sync'),
  });
  const client = jetstream(connection);
  const after = (await streamOf('sync', 'FEED')).state.last_seq;
  const tail = await east.feed.tail(SHARED_GROUP.id, after);
  expect(tail.peek()).toBeUndefined();
  expect(await tail.drained()).toBe(true);
  const sequences: number[] = [];
  for (let slot = 0; slot < 150; slot++) {
    await client.publish(feedOwnSubject(PINNED_GROUP.id, 1, 0), testChunk(EAST, 1, slot));
    sequences.push(
      (await client.publish(feedOwnSubject(SHARED_GROUP.id, 1, slot % 2), testChunk(EAST, 1, slot))).seq,
    );
  }
  const taken: number[] = [];
  const signal = AbortSignal.timeout(20_000);
  while (taken.length < 150 && !signal.aborted) {
    const chunk = tail.take();
    if (chunk === undefined) await east.feed.arrival(100, signal);
    else taken.push(chunk.sequence);
  }
  expect(taken).toEqual(sequences);
  expect(await tail.drained()).toBe(true);
  await tail.close();
  await connection.close();
});

test("FEED's limits follow the configuration at the next start; a smaller log refuses and forgets nothing", async () => {
  const connection = await connect({
    servers: brokers.url(EAST),
    user: 'sync',
    pass: brokers.password(EAST, 'sync'),
  });
  try {
    const manager = await jetstreamManager(connection);
    const subject = feedOwnSubject(SHARED_GROUP.id, 1, 0);
    const body = new Uint8Array(700_000);
    for (let at = 0; at < 2; at += 1) await jetstream(connection).publish(subject, body);
    const before = (await manager.streams.info('FEED')).state;
    await (await openEast({ maxBytes: 1024 ** 2, maxAgeHours: 36 })).close();
    const { state, config } = await manager.streams.info('FEED');
    expect([config.max_bytes, config.max_age]).toEqual([1024 ** 2, 36 * 3_600_000 * 1_000_000]);
    expect([state.messages, state.bytes]).toEqual([before.messages, before.bytes]);
    await expect(jetstream(connection).publish(subject, body)).rejects.toThrow();
    await (await openEast()).close();
    await expect(jetstream(connection).publish(subject, body)).resolves.toMatchObject({ duplicate: false });
  } finally {
    await connection.close();
  }
});
