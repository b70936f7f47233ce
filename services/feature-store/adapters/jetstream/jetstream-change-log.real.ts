import { MAX_PAYLOAD_BYTES } from '@featuremesh/domain/limits';
import { ProblemError } from '@featuremesh/domain/problem';
import { FEED_HEADERS, feedImportSubject, LINK_PROGRESS_SUBJECT } from '@featuremesh/domain/subjects';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { createLogger } from '@featuremesh/runtime/logger';
import { systemTimer } from '@featuremesh/runtime/timer';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ChunkAppend, LinkProgress, LogFilter, LogMessage } from '../../ports/change-log.ts';
import { JetStreamChangeLog } from './jetstream-change-log.ts';

const G1 = 'aaaaaaaaaaaaaaaa';
const G2 = 'bbbbbbbbbbbbbbbb';
const logger = createLogger({}, { level: 'silent' });

let broker: FeedBroker;
let log: JetStreamChangeLog;

const connect = (streamWaitMs = 10_000): Promise<JetStreamChangeLog> =>
  JetStreamChangeLog.connect({ servers: broker.url, slot: 0, logger, timer: systemTimer, streamWaitMs });

beforeEach(async () => {
  broker = await FeedBroker.start(await locateNatsServer(), { epoch: 'epoch7' });
  log = await connect();
});

afterEach(async () => {
  await log.close();
  await broker.stop();
});

const chunk = (text: string, more: Partial<ChunkAppend> = {}): ChunkAppend => ({
  groupId: G1,
  version: 1,
  slot: 0,
  body: Buffer.from(text),
  ...more,
});

const text = ({ body }: LogMessage): string => Buffer.from(body).toString();

async function textsFrom(after: number, filter: LogFilter): Promise<string[]> {
  const texts: string[] = [];
  for await (const message of log.readFrom(after, filter)) texts.push(text(message));
  return texts;
}

const cursor = (linkSeq: number) => ({
  peer: 'eu-west-1',
  linkEpoch: 'l1',
  linkSeq,
  hash: 'more than the projector reads',
  origin: 'eu-west-1',
  feedEpoch: 'x',
  appenders: { 0: 5, 1: 9 },
  sentAtMs: 17,
});

const publishImport = (linkSeq: number, body = `import ${linkSeq}`): Promise<void> =>
  broker.publish(feedImportSubject(G1, 1, 'eu-west-1'), Buffer.from(body), {
    [FEED_HEADERS.link]: JSON.stringify(cursor(linkSeq)),
  });

test('connecting waits for the stream and reads its epoch', async () => {
  expect(log.feedEpoch).toBe('epoch7');
  await broker.deleteFeed();
  const waiting = connect();
  await systemTimer.sleep(150);
  await broker.createFeed({ epoch: 'epoch8' });
  const late = await waiting;
  expect(late.feedEpoch).toBe('epoch8');
  await late.close();
});

test('a stream that never comes is an error after a bounded wait', async () => {
  await broker.deleteFeed();
  const refusal = await connect(200).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(ProblemError);
  expect(refusal).toMatchObject({ problem: { code: 'LOG_UNAVAILABLE' } });
});

test('appends are numbered in order, and read back with all that was said', async () => {
  expect(await log.append(chunk('one'))).toEqual({ kind: 'stored', sequence: 1 });
  const keyed = chunk('two', { idempotencyId: 'id-2', bodyHash: 'hash', answer: '{"accepted":1}', slot: 3 });
  expect(await log.append(keyed)).toEqual({ kind: 'stored', sequence: 2 });
  const message = await log.messageAt(2);
  expect(message).toMatchObject({
    sequence: 2,
    groupId: G1,
    version: 1,
    source: { kind: 'own', slot: 3 },
    idempotencyId: 'id-2',
    bodyHash: 'hash',
    answer: '{"accepted":1}',
  });
  expect(Math.abs((message?.appendedAtMs ?? 0) - Date.now())).toBeLessThan(10_000);
  expect(await log.messageAt(3)).toBeUndefined();
});

test('an id appended twice is a duplicate that names the first sequence', async () => {
  const keyed = chunk('one', { idempotencyId: 'id-1', bodyHash: 'h', answer: '{}' });
  const outcomes = await Promise.all([log.append(keyed), log.append(chunk('between')), log.append(keyed)]);
  expect(outcomes).toEqual([
    { kind: 'stored', sequence: 1 },
    { kind: 'stored', sequence: 2 },
    { kind: 'duplicate', sequence: 1 },
  ]);
});

test('a chunk of the largest permitted size is taken', async () => {
  const body = new Uint8Array(MAX_PAYLOAD_BYTES - 64 * 1024);
  expect(await log.append(chunk('', { body }))).toMatchObject({ kind: 'stored' });
  expect((await log.messageAt(1))?.body.length).toBe(body.length);
});

test('a group that the broker does not list, and a full stream, are refusals', async () => {
  await broker.updateFeed({ subjects: [`FEED.${G1}.>`], epoch: 'epoch7' });
  expect(await log.append(chunk('x', { groupId: G2 }))).toEqual({ kind: 'refused', reason: 'group' });
  await broker.updateFeed({ maxBytes: 500, epoch: 'epoch7' });
  const large = chunk('y'.repeat(1_000));
  expect(await log.append(large)).toEqual({ kind: 'refused', reason: 'full' });
  expect(await log.lastSequence({ kind: 'all-own' })).toBe(0);
});

test('while the broker is gone appends are refused and reads fail; it comes back by itself', async () => {
  await log.append(chunk('one'));
  await broker.kill();
  await vi.waitFor(() => expect(log.isConnected()).toBe(false), 5_000);
  expect(await log.append(chunk('two'))).toEqual({ kind: 'refused', reason: 'unavailable' });
  await expect(log.lastSequence({ kind: 'all-own' })).rejects.toMatchObject({
    problem: { code: 'LOG_UNAVAILABLE' },
  });
  await broker.resume();
  await vi.waitFor(() => expect(log.isConnected()).toBe(true), 10_000);
  expect(await log.append(chunk('three'))).toEqual({ kind: 'stored', sequence: 2 });
  expect(await textsFrom(0, { kind: 'all-own' })).toEqual(['one', 'three']);
});

test('an append whose answer the broker can no longer give has an unknown outcome, told at once', async () => {
  const appends = Array.from({ length: 200 }, (_, at) => log.append(chunk(`c${at}`)));
  await appends[0];
  await broker.kill();
  const outcomes = await Promise.all(appends);
  await broker.resume();
  await vi.waitFor(() => expect(log.isConnected()).toBe(true), 10_000);
  const texts = new Set(await textsFrom(0, { kind: 'all-own' }));
  for (const [at, { kind }] of outcomes.entries()) {
    expect(['stored', 'unknown', 'refused']).toContain(kind);
    if (kind === 'stored') expect(texts).toContain(`c${at}`);
    if (kind === 'refused') expect(texts).not.toContain(`c${at}`);
  }
});

test('filters see their own messages, and the last of each', async () => {
  await log.append(chunk('own 0'));
  await log.append(chunk('own 1', { slot: 1, groupId: G2 }));
  await publishImport(1);
  await log.append(chunk('own 0 again', { version: 2 }));
  expect(await textsFrom(0, { kind: 'own', slot: 0 })).toEqual(['own 0', 'own 0 again']);
  expect(await textsFrom(1, { kind: 'all-own' })).toEqual(['own 1', 'own 0 again']);
  expect(await textsFrom(0, { kind: 'imports' })).toEqual(['import 1']);
  expect(await textsFrom(4, { kind: 'all-own' })).toEqual([]);
  const last = async (filter: LogFilter): Promise<number> => log.lastSequence(filter);
  expect([await last({ kind: 'own', slot: 0 }), await last({ kind: 'own', slot: 1 })]).toEqual([4, 2]);
  expect([await last({ kind: 'own', slot: 2 }), await last({ kind: 'imports' })]).toEqual([0, 3]);
});

test('an import carries its cursor; one that does not parse is passed over', async () => {
  await broker.publish(feedImportSubject(G1, 1, 'eu-west-1'), Buffer.from('nobody knows'));
  await publishImport(4);
  const messages: LogMessage[] = [];
  for await (const message of log.readFrom(0, { kind: 'imports' })) messages.push(message);
  const { hash: _, ...read } = cursor(4);
  expect(messages.map(({ source }) => source)).toEqual([{ kind: 'in', cursor: read }]);
});

test('following goes on over a broker that is killed, without a gap and in order', async () => {
  const stop = new AbortController();
  const seen: string[] = [];
  const following = (async () => {
    for await (const message of log.follow(0, { kind: 'all-own' }, stop.signal)) seen.push(text(message));
  })();
  for (let at = 0; at < 50; at += 1) await log.append(chunk(`a${at}`));
  await broker.kill();
  await broker.resume();
  await vi.waitFor(() => expect(log.isConnected()).toBe(true), 10_000);
  for (let at = 0; at < 50; at += 1) await log.append(chunk(`b${at}`));
  await vi.waitFor(() => expect(seen.at(-1)).toBe('b49'), 20_000);
  expect(seen).toEqual(['a', 'b'].flatMap(part => Array.from({ length: 50 }, (_, at) => `${part}${at}`)));
  stop.abort();
  await following;
});

test('a reader that asked a broker which did not know its streams yet goes on within seconds of the next start', async () => {
  const stop = new AbortController();
  const seen: string[] = [];
  const following = (async () => {
    for await (const message of log.follow(0, { kind: 'all-own' }, stop.signal)) seen.push(text(message));
  })();
  await log.append(chunk('a'));
  await vi.waitFor(() => expect(seen).toEqual(['a']), 10_000);
  await broker.kill();
  await broker.resume('without its streams');
  await vi.waitFor(() => expect(log.isConnected()).toBe(true), 10_000);
  await expect(log.lastSequence({ kind: 'all-own' })).rejects.toThrow();
  await broker.kill();
  await broker.resume();
  await vi.waitFor(() => expect(log.isConnected()).toBe(true), 10_000);
  await log.append(chunk('b'));
  // The client's own patience would be 15 s at the least, and 45 at the most.
  await vi.waitFor(() => expect(seen).toEqual(['a', 'b']), 13_000);
  stop.abort();
  await following;
});

test('a long log is read whole, in order', async () => {
  const count = 3_000;
  for (let from = 0; from < count; from += 500)
    await Promise.all(Array.from({ length: 500 }, (_, at) => log.append(chunk(`m${from + at}`))));
  const texts = await textsFrom(100, { kind: 'all-own' });
  expect(texts).toEqual(Array.from({ length: count - 100 }, (_, at) => `m${at + 100}`));
});

test('progress reports reach the listener until it ends; what does not parse does not', async () => {
  const stop = new AbortController();
  const seen: LinkProgress[] = [];
  log.onProgress(progress => seen.push(progress), stop.signal);
  const report = { peer: 'eu-west-1', knownAsOfMs: 5, throughSequence: 3 };
  await log.lastSequence({ kind: 'imports' });
  const publish = (body: string): Promise<unknown> =>
    broker.publish(LINK_PROGRESS_SUBJECT, Buffer.from(body)).catch(() => undefined);
  void publish('nonsense');
  void publish(JSON.stringify(report));
  await vi.waitFor(() => expect(seen).toEqual([report]));
  stop.abort();
  await log.lastSequence({ kind: 'imports' });
  void publish(JSON.stringify(report));
  await systemTimer.sleep(100);
  expect(seen).toHaveLength(1);
});
