import { MAX_CHUNK_ROWS } from '@featuremesh/domain/limits';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { fail, ok } from '@featuremesh/domain/result';
import { testKey, testRow } from '@featuremesh/testkit/generators/packed-rows';
import { expect, test } from 'vitest';
import { bodyHash } from './idempotency.ts';
import { MAX_REQUEST_CHUNKS_IN_FLIGHT } from './ingest-limits.ts';
import { type OutgoingChunk, WriteRun, type WrittenChunk } from './write-run.ts';

const GOOD = ok({ key: testKey('a'), row: testRow({ eventTimeUs: 1n }) });
const BAD = fail<never>(problem('MALFORMED_ROW', 'bad'));

const written = (chunk: OutgoingChunk): WrittenChunk => ({
  accepted: chunk.rows.length,
  duplicates: 0,
  rejected: chunk.rejected,
  position: undefined,
  online: 'APPLIED',
});

async function fill(
  run: WriteRun,
  rows: number,
  isBad: (at: number) => boolean = () => false,
): Promise<void> {
  for (let at = 0; at < rows; at += 1) {
    if (run.hasFailed) run.refuse();
    else run.add(isBad(at) ? BAD : GOOD, `row ${at}`);
    if (run.isChunkFull && !run.hasFailed) await run.flush();
  }
}

test('chunks are cut by rows alone, and their hashes by their own rows', async () => {
  const chunks: OutgoingChunk[] = [];
  const send = async (chunk: OutgoingChunk) => {
    chunks.push(chunk);
    return written(chunk);
  };
  const hashing = () => bodyHash({ nonFinite: 'refuse' });
  const run = new WriteRun({ send, hashing });
  await fill(run, 2 * MAX_CHUNK_ROWS + 3, at => at === 1);
  expect(await run.finish()).toMatchObject({ accepted: 2 * MAX_CHUNK_ROWS + 2, rejectedTotal: 1 });
  expect(chunks.map(({ ordinal, rows }) => [ordinal, rows.length])).toEqual([
    [0, MAX_CHUNK_ROWS - 1],
    [1, MAX_CHUNK_ROWS],
    [2, 3],
  ]);
  expect(new Set(chunks.map(chunk => chunk.bodyHash)).size).toBe(3);
  const first = bodyHash({ nonFinite: 'refuse' });
  for (let at = 0; at < MAX_CHUNK_ROWS; at += 1) first.update(`row ${at}\n`);
  expect(chunks[0]?.bodyHash).toBe(first.digest('base64url'));
});

test('a chunk of which no row is good is handed over without rows, so that a replay of it is found', async () => {
  const chunks: OutgoingChunk[] = [];
  const run = new WriteRun({
    send: async chunk => {
      chunks.push(chunk);
      return written(chunk);
    },
    hashing: 'h',
  });
  run.add(BAD);
  await run.finish();
  expect(chunks[0]).toMatchObject({ rows: [], bodyHash: 'h' });
});

test('few chunks are in flight at once', async () => {
  let [now, most] = [0, 0];
  const send = async (chunk: OutgoingChunk) => {
    most = Math.max(most, ++now);
    await new Promise(resolve => setImmediate(resolve));
    now -= 1;
    return written(chunk);
  };
  const run = new WriteRun({ send, hashing: undefined });
  await fill(run, 20 * MAX_CHUNK_ROWS);
  await run.finish();
  expect(most).toBe(MAX_REQUEST_CHUNKS_IN_FLIGHT);
});

test('a failing chunk rejects its rows and what follows; every row is accounted for', async () => {
  const send = async (chunk: OutgoingChunk) => {
    if (chunk.ordinal === 2) throw new ProblemError(problem('LOG_FULL', 'full'));
    return written(chunk);
  };
  const run = new WriteRun({ send, hashing: undefined });
  await fill(run, 10 * MAX_CHUNK_ROWS + 17, at => at % 100 === 0);
  const summary = await run.finish();
  expect(summary.accepted).toBeGreaterThan(0);
  expect(summary.accepted + summary.rejectedTotal).toBe(10 * MAX_CHUNK_ROWS + 17);
  expect(new Set(summary.rejected.map(({ code }) => code))).toEqual(new Set(['MALFORMED_ROW', 'LOG_FULL']));
  const indices = summary.rejected.map(({ index }) => index);
  expect(indices).toEqual(indices.toSorted((a, b) => a - b));
  expect(new Set(indices).size).toBe(indices.length);
});

test('where nothing at all was accepted the failure itself is thrown', async () => {
  const send = () => Promise.reject(new ProblemError(problem('LOG_UNAVAILABLE', 'gone')));
  const run = new WriteRun({ send, hashing: undefined });
  await fill(run, 700);
  await expect(run.finish()).rejects.toMatchObject({ problem: { code: 'LOG_UNAVAILABLE' } });
});

test('one chunk that is pending makes the write pending', async () => {
  const send = async (chunk: OutgoingChunk) => ({
    ...written(chunk),
    online: chunk.ordinal === 0 ? ('PENDING' as const) : ('APPLIED' as const),
  });
  const run = new WriteRun({ send, hashing: undefined });
  await fill(run, 2 * MAX_CHUNK_ROWS);
  expect((await run.finish()).online).toBe('PENDING');
});
