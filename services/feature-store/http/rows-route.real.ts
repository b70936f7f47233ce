import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { writeAnswerSchema } from '@featuremesh/contracts/http-rows';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { patienceMs, testProfile } from '@featuremesh/infra/local-mesh/testing/test-profile';
import { createLogger } from '@featuremesh/runtime/logger';
import { PrometheusMetrics } from '@featuremesh/runtime/metrics';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { WriteRegion } from '@featuremesh/testkit/ingest/write-region';
import { WriteWorld } from '@featuremesh/testkit/ingest/write-world';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registerRowsRoute } from './rows-route.ts';
import { createHttpServer } from './server.ts';

const EVENT = '2026-01-01T00:00:00Z';
const JSON_TYPE = { 'content-type': 'application/json' };
const NDJSON_TYPE = { 'content-type': 'application/x-ndjson' };

let broker: FeedBroker;
let region: WriteRegion;
let server: FastifyInstance;
let url: string;
const logLines: string[] = [];
const world = new WriteWorld({
  delays: { features: { mean: 'float64?', count: 'int64?' } },
  people: {
    features: { mean: 'float64?' },
    joinKeys: [
      { name: 'residence', type: 'string', role: 'region' },
      { name: 'traveller', type: 'string' },
    ],
    rows: 'origin',
  },
});

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer());
  region = await WriteRegion.start({
    brokerUrl: broker.url,
    world,
    limits: { maxBytesInFlight: 40 * 1024 * 1024 },
  });
  server = createHttpServer({
    logger: createLogger({}, { level: 'debug', stream: { write: line => void logLines.push(line) } }),
    metrics: new PrometheusMetrics({}, { processMetrics: false }),
    timer: systemTimer,
    random: systemRandom,
    leaving: () => false,
    draining: () => false,
  });
  await registerRowsRoute(server, { ingest: region.ingest, callerOf: () => 'anonymous' });
  url = await server.listen({ host: '127.0.0.1', port: 0 });
});

afterAll(async () => {
  await server.close();
  await region.stop();
  await broker.stop();
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

async function post(
  path: string,
  body: NonNullable<RequestInit['body']>,
  headers: Record<string, string>,
): Promise<Answer> {
  const answer = await fetch(`${url}/v1/groups/${path}`, {
    method: 'POST',
    body,
    headers,
    ...(body instanceof ReadableStream ? { duplex: 'half' as const } : {}),
  });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Answer['body'] };
}

const row = (id: string, mean: number) => ({ key: { id }, eventTime: EVENT, features: { mean } });
const rows = (...some: readonly unknown[]): string => JSON.stringify({ rows: some });

test('200 with nothing rejected, 207 with some, 422 with all, each in the documented shape', async () => {
  const good = await post('delays/rows', rows(row('a', 1)), JSON_TYPE);
  expect(good.status).toBe(200);
  expect(writeAnswerSchema.parse(good.body)).toMatchObject({ accepted: 1, online: 'APPLIED' });
  const mixed = await post('delays/rows', rows(row('a', 1), 5), JSON_TYPE);
  expect(mixed.status).toBe(207);
  expect(writeAnswerSchema.parse(mixed.body)).toMatchObject({ accepted: 1, rejectedTotal: 1 });
  const bad = await post('delays/rows', rows(5), JSON_TYPE);
  expect(bad.status).toBe(422);
  expect(writeAnswerSchema.parse(bad.body)).toMatchObject({ accepted: 0, position: null });
  expect((await post('delays/rows', rows(), JSON_TYPE)).status).toBe(200);
});

test('a group is named with or without its home region and version', async () => {
  for (const path of ['delays', 'us-east-1/delays', 'us-east-1%2Fdelays', 'delays@v1', 'us-east-1/delays@v1'])
    expect((await post(`${path}/rows`, rows(row('a', 1)), JSON_TYPE)).status).toBe(200);
});

test('errors of a whole request are problems of the catalogue', async () => {
  const cases: [string, string, Record<string, string>, number, string][] = [
    ['nothing/rows', rows(row('a', 1)), JSON_TYPE, 404, 'UNKNOWN_GROUP'],
    ['delays@v9/rows', rows(row('a', 1)), JSON_TYPE, 404, 'UNKNOWN_VERSION'],
    ['delays/rows', '{"rows":[', JSON_TYPE, 400, 'MALFORMED_JSON'],
    ['delays/rows', '{"row":[]}', JSON_TYPE, 400, 'INVALID_REQUEST'],
    ['delays/rows', 'x', { 'content-type': 'text/csv' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['delays/rows?onReject=maybe', rows(), JSON_TYPE, 400, 'INVALID_REQUEST'],
    ['delays/rows?onreject=fail', rows(), JSON_TYPE, 400, 'INVALID_REQUEST'],
    ['delays/rows?onReject=fail', '', NDJSON_TYPE, 400, 'INVALID_REQUEST'],
    ['delays/rows', rows(), { ...JSON_TYPE, 'idempotency-key': 'a b' }, 400, 'INVALID_REQUEST'],
    ['delays/rows', rows(), { ...JSON_TYPE, 'idempotency-key': 'x'.repeat(257) }, 400, 'INVALID_REQUEST'],
  ];
  for (const [path, body, headers, status, code] of cases) {
    const answer = await post(path, body, headers);
    expect([path, answer.status, answer.body['code']]).toEqual([path, status, code]);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  }
});

test('a body that is no UTF-8 is malformed', async () => {
  const body = Buffer.concat([Buffer.from('{"rows":["'), Buffer.from([0xff]), Buffer.from('"]}')]);
  expect((await post('delays/rows', body, JSON_TYPE)).body['code']).toBe('MALFORMED_JSON');
});

test('a JSON body above 16 MiB is refused, and the connection serves on', async () => {
  const body = `{"rows":[${JSON.stringify('x'.repeat(17 * 1024 * 1024))}]}`;
  const answer = await post('delays/rows', body, JSON_TYPE);
  expect([answer.status, answer.body['code']]).toEqual([413, 'BODY_TOO_LARGE']);
  expect((await post('delays/rows', rows(row('a', 1)), JSON_TYPE)).status).toBe(200);
});

test('a stream of 80,000 lines with a malformed line 70,001 loses that line only', async () => {
  const lines = (function* () {
    for (let at = 0; at < 80_000; at += 1)
      yield at === 70_001 ? '{"key":{"id":"broken"\n' : `${JSON.stringify(row(`n${at}`, at))}\n`;
  })();
  const answer = await post('delays/rows', Readable.toWeb(Readable.from(lines)), NDJSON_TYPE);
  expect(answer.status).toBe(207);
  // A Cassandra on shared cores takes more slowly than the log does.
  const online = testProfile() === 'embedded' ? 'APPLIED' : expect.stringMatching(/^(APPLIED|PENDING)$/);
  expect(answer.body).toMatchObject({ accepted: 79_999, rejectedTotal: 1, online });
  expect(answer.body['rejected']).toEqual([
    { index: 70_001, code: 'MALFORMED_ROW', message: 'the line is not valid JSON' },
  ]);
  await expect.poll(() => region.ingest.isBehind, { timeout: patienceMs(20_000) }).toBe(false);
  expect(await region.store.countRows(world.tableOf('delays'))).toBeGreaterThanOrEqual(79_999);
});

test('a stream of 200 MB is held in bounded memory', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held = (): number => {
    collect();
    return process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
  };
  // Blanks are JSON, so that a line is as long as may be while its row is small.
  const line = (at: number): string => `${JSON.stringify(row(`long${at}`, at)).padEnd(200_000)}\n`;
  const before = held();
  const samples: number[] = [];
  const lines = (function* () {
    for (let at = 0; at < 1_000; at += 1) {
      if (at % 100 === 99) samples.push(held() - before);
      yield Buffer.from(line(at));
    }
  })();
  // Not by fetch, whose client would hold the whole stream in this same process.
  const calling = request(`${url}/v1/groups/delays/rows`, { method: 'POST', headers: NDJSON_TYPE });
  const answered = once(calling, 'response');
  await pipeline(Readable.from(lines), calling);
  const [answer] = (await answered) as [IncomingMessage];
  expect(await json(answer)).toMatchObject({ accepted: 1_000, rejectedTotal: 0 });
  expect(samples).toHaveLength(10);
  // What grows with the stream would be high in every late sample; buffers that are free and not returned yet are high in one.
  expect(Math.min(...samples.slice(5))).toBeLessThan(32 * 1024 * 1024);
  expect(Math.max(...samples)).toBeLessThan(96 * 1024 * 1024);
});

test('a row of another residence says where it belongs', async () => {
  const traveller = (residence: string) => ({
    key: { traveller: 't', residence },
    eventTime: EVENT,
    features: {},
  });
  const answer = await post('people/rows', rows(traveller('us-east-1'), traveller('eu-west-1')), JSON_TYPE);
  expect(answer.status).toBe(207);
  expect(writeAnswerSchema.parse(answer.body).rejected).toMatchObject([
    { index: 1, code: 'WRONG_REGION', region: 'eu-west-1', publicUrl: 'http://eu-west-1.example' },
  ]);
});

test('an idempotency key makes a retry answer what the first one did', async () => {
  await expect.poll(() => region.ingest.isBehind, { timeout: patienceMs(20_000) }).toBe(false);
  const headers = { ...JSON_TYPE, 'idempotency-key': 'order-1' };
  const first = await post('delays/rows', rows(row('i', 1), 5), headers);
  const again = await post('delays/rows', rows(row('i', 1), 5), headers);
  expect(again.status).toBe(207);
  expect(again.body).toEqual({ ...first.body, accepted: 0, duplicates: 1 });
  const other = await post('delays/rows', rows(row('i', 2)), headers);
  expect([other.status, other.body['code']]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
});

test('over the bound of work in flight the answer is 429 with a time to retry', async () => {
  const leave = region.ingest.admit(39 * 1024 * 1024);
  const large = rows(row('a', 1), 'x'.repeat(2 * 1024 * 1024));
  const answer = await post('delays/rows', large, JSON_TYPE);
  expect([answer.status, answer.body['code'], answer.headers.get('retry-after')]).toEqual([
    429,
    'OVERLOADED',
    '1',
  ]);
  leave();
  expect((await post('delays/rows', rows(row('a', 1)), JSON_TYPE)).status).toBe(200);
});

test('no entity key is logged', async () => {
  await post('delays/rows', rows(row('secret-key-1', 1), { key: { id: 'secret-key-2' } }), JSON_TYPE);
  await post('nothing/rows', rows(row('secret-key-3', 1)), JSON_TYPE);
  expect(logLines.length).toBeGreaterThan(0);
  expect(logLines.join('')).not.toContain('secret-key');
});
