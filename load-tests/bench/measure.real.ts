import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Echo, startEcho, startRelay, startWriter } from './echo.ts';
import { loadHttp, percentile } from './http-load.ts';
import { measureBesideEcho, probe } from './measure-beside-echo.ts';

let echo: Echo;

beforeAll(async () => {
  echo = await startEcho();
});

afterAll(() => echo.close());

const request = { path: '/rows', body: '{"rows":[1,2,3]}', contentType: 'application/json' };

test('the bare server answers what it was told, and parses what it gets', async () => {
  await echo.answerWith('{"hello":1}');
  expect(await probe(echo.url, request, () => true)).toBe('{"hello":1}');
  await expect(probe(echo.url, { ...request, body: '{' }, () => true)).rejects.toThrow(/400/);
  await expect(probe(echo.url, request, () => false)).rejects.toThrow(/not what is measured/);
});

test('answers that are no success count as failed and not as throughput', async () => {
  const bad = { ...request, body: '{' };
  const values = await loadHttp(echo.url, [bad], { shape: { kind: 'closed', connections: 2 }, seconds: 1 });
  expect(values['requestsPerS']).toBe(0);
  expect(values['failed']).toBeGreaterThan(0);
});

test('an open loop sends at the rate asked for, and the echo is measured beside it', async () => {
  const { values, echo: beside } = await measureBesideEcho(echo.url, [request], {
    shape: { kind: 'open', requestsPerS: 40 },
    seconds: 2,
    rounds: 1,
    answer: '{}',
  });
  for (const one of [values, beside]) {
    expect(one['failed']).toBe(0);
    expect(one['requestsPerS']).toBeGreaterThan(30);
    expect(one['requestsPerS']).toBeLessThanOrEqual(41);
  }
});

test('a closed loop tells the share of the echo and of a relay to it, and the processor time of an answer', async () => {
  const { values, limitPerS = 0 } = await measureBesideEcho(echo.url, [request], {
    shape: { kind: 'closed', connections: 2 },
    seconds: 1,
    rounds: 1,
    answer: '{}',
    pids: [echo.pid],
    beside: startRelay,
  });
  expect(values['failed']).toBe(0);
  expect(values['cpuUsPerRequest']).toBeGreaterThan(1);
  expect(values['ofEcho']).toBeGreaterThan(0.2);
  // Two hops cost more than one.
  expect(limitPerS).toBeGreaterThan(0);
  expect(values['ofLimit']).toBeGreaterThan(values['ofEcho'] ?? 0);
});

test('beside writes stands a server with a log and a table of its own, and that log alone; neither is left behind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fm-bare-'));
  const writer = await startWriter(folder);
  const rows = Array.from({ length: 3 }, (_, at) => ({ key: { id: `k${at}` }, features: { a: at } }));
  const write = {
    path: '/v1/groups/g/rows',
    body: JSON.stringify({ rows }),
    contentType: 'application/json',
  };
  expect(JSON.parse(await probe(writer.url, write, () => true))).toEqual({ accepted: 3, online: 'APPLIED' });
  const values = await loadHttp(writer.url, [write], {
    shape: { kind: 'closed', connections: 4 },
    seconds: 1,
  });
  expect([values['failed'], (values['requestsPerS'] ?? 0) > 10]).toEqual([0, true]);
  expect(await writer.appendsPerS({ callers: 4, seconds: 0.2, bytes: 200 })).toBeGreaterThan(10);
  await writer.close();
  expect(await readdir(folder)).toEqual([]);
  await rm(folder, { recursive: true });
});

test('percentiles are those of the nearest rank', () => {
  const sorted = Array.from({ length: 10 }, (_, i) => i + 1);
  expect([0.5, 0.9, 0.99, 1].map(share => percentile(sorted, share))).toEqual([5, 9, 10, 10]);
  expect(percentile([], 0.99)).toBe(0);
});
