import { systemTimer } from '@featuremesh/runtime/timer';
import { afterEach, expect, test } from 'vitest';
import { RegionSink } from './region-sink.ts';
import { BatchRefused, RowSender } from './row-sender.ts';
import { writeLines } from './write-rows.ts';

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(refuse?: (request: number) => number | undefined) {
  const sink = await new RegionSink('us-east-1', refuse === undefined ? {} : { refuse }).listen();
  const sender = new RowSender(sink, systemTimer);
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

test('a signal ends the waiting', async () => {
  const { sender } = await start(() => 429);
  const stopping = new AbortController();
  const sent = sender.send({ group: 'article_stats', ndjson: row(1), idempotencyKey: 'k' }, stopping.signal);
  setTimeout(() => stopping.abort(), 50);
  await expect(sent).rejects.toThrow(/abort/i);
});
