import { systemTimer, type Timer } from '@featuremesh/runtime/timer';
import { afterEach, expect, test } from 'vitest';
import { RegionSink } from './region-sink.ts';
import { BatchRefused, RowSender } from './row-sender.ts';
import { writeLines } from './write-rows.ts';

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

type Sink = NonNullable<ConstructorParameters<typeof RegionSink>[1]>;

const start = (refuse: NonNullable<Sink['refuse']>): ReturnType<typeof startWith> => startWith({ refuse });

async function startWith(options: Sink, timer: Timer = systemTimer) {
  const sink = await new RegionSink('us-east-1', options).listen();
  const sender = new RowSender(sink, timer);
  closing.push(
    () => sender.close(),
    () => sink.close(),
  );
  return { sink, sender };
}

const row = (i: number): string =>
  `${JSON.stringify({ key: { article: `a${i}` }, eventTime: '2026-01-01T00:00:00Z', features: { i } })}\n`;
const signal = new AbortController().signal;

test('refusals for load are waited out, with the same idempotency key, and every row arrives once', async () => {
  const { sink, sender } = await start(request => (request <= 3 ? 429 : request % 2 === 0 ? 503 : undefined));
  const lines = Array.from({ length: 30_000 }, (_, i) => row(i));
  const written = await writeLines(sender, 'us-east-1/article_stats', lines, { loadId: 'load', signal });
  expect(written).toBe(lines.length);
  expect(new Set(sink.rows('article_stats').map(({ key }) => key['article'])).size).toBe(lines.length);
  expect(sink.rows('article_stats')).toHaveLength(lines.length);
  expect(sender.retries).toBeGreaterThanOrEqual(3);
});

test('a refusal that will not change is told at once', async () => {
  const { sender } = await start(() => 403);
  const batch = { group: 'article_stats', ndjson: row(1), idempotencyKey: 'k' };
  await expect(sender.send(batch, signal)).rejects.toThrow(BatchRefused);
  expect(sender.retries).toBe(0);
  await expect(writeLines(sender, 'article_stats', [row(1)], { loadId: 'load', signal })).rejects.toThrow(
    BatchRefused,
  );
});

test('rows that were rejected for a while are sent again, the others of their request are not written twice', async () => {
  // The log is away from the third chunk on, in the next attempt from the eighth.
  const { sink, sender } = await startWith({
    reject: (request, at) =>
      at >= ([1_024, 3_584][request - 1] ?? Infinity) ? 'LOG_UNAVAILABLE' : undefined,
  });
  const lines = Array.from({ length: 5_120 }, (_, i) => row(i));
  const written = await writeLines(sender, 'article_stats', lines, { loadId: 'load', signal });
  expect([written, sender.retries]).toEqual([lines.length, 2]);
  expect(sink.rows('article_stats').map(({ key }) => key['article'])).toEqual(lines.map((_, i) => `a${i}`));
});

test('a row that will never be accepted makes its batch one, once all others are accepted', async () => {
  const { sink, sender } = await startWith({
    reject: (request, at) => (at === 0 ? 'INVALID_VALUE' : request === 1 && at > 5 ? 'LOG_FULL' : undefined),
  });
  const batch = {
    group: 'article_stats',
    ndjson: [0, 1, 2, 3, 4, 5, 6, 7].map(row).join(''),
    idempotencyKey: 'k',
  };
  await expect(sender.send(batch, signal)).rejects.toThrow(/INVALID_VALUE/);
  expect([sink.rows('article_stats').length, sender.retries]).toEqual([7, 1]);
});

test('a region that rejects rows for ever is given up after a bounded number of attempts', async () => {
  const { sender } = await startWith({ reject: () => 'LOG_FULL' }, { ...systemTimer, sleep: async () => {} });
  const batch = { group: 'article_stats', ndjson: row(1), idempotencyKey: 'k' };
  await expect(sender.send(batch, signal)).rejects.toThrow(/did not take.*LOG_FULL/);
  expect(sender.retries).toBe(199);
});

test('a signal ends the waiting', async () => {
  const { sender } = await start(() => 429);
  const stopping = new AbortController();
  const sent = sender.send({ group: 'article_stats', ndjson: row(1), idempotencyKey: 'k' }, stopping.signal);
  setTimeout(() => stopping.abort(), 50);
  await expect(sent).rejects.toThrow(/abort/i);
});
