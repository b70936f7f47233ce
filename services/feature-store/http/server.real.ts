import { createLogger } from '@featuremesh/runtime/logger';
import { PrometheusMetrics } from '@featuremesh/runtime/metrics';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createHttpServer } from './server.ts';

let lines: string[];
let fastify: ReturnType<typeof createHttpServer>;
let url: string;

beforeEach(async () => {
  lines = [];
  fastify = createHttpServer({
    logger: createLogger({}, { level: 'debug', stream: { write: line => void lines.push(line) } }),
    metrics: new PrometheusMetrics({}, { processMetrics: false }),
    timer: systemTimer,
    random: systemRandom,
    leaving: () => false,
    draining: () => false,
  });
  fastify.get('/v1/things/:name', () => {
    throw new Error('connection to 10.1.2.3:9042 refused');
  });
  fastify.post('/v1/things', request => request.body);
  url = await fastify.listen({ host: '127.0.0.1', port: 0 });
});

afterEach(() => fastify.close());

test('an unforeseen error is INTERNAL with a reference that the log explains; nothing of it is in the answer', async () => {
  const answer = await fetch(`${url}/v1/things/private-name`);
  const text = await answer.text();
  const body = JSON.parse(text);
  expect([answer.status, body.code, body.retryable]).toEqual([500, 'INTERNAL', true]);
  expect(text).not.toMatch(/10\.1\.2\.3|server\.real|at /);
  const line = lines.find(one => one.includes(body.reference));
  expect(line).toContain('10.1.2.3');
  expect(lines.join('')).toContain('/v1/things/:name');
  expect(lines.join('')).not.toContain('private-name');
});

test.each([
  [
    'a body of another type',
    { headers: { 'content-type': 'text/csv' }, body: 'a,b' },
    415,
    'UNSUPPORTED_MEDIA_TYPE',
  ],
  [
    'a body that is no JSON',
    { headers: { 'content-type': 'application/json' }, body: '{"a":' },
    400,
    'MALFORMED_JSON',
  ],
  [
    'an empty JSON body',
    { headers: { 'content-type': 'application/json' }, body: '' },
    400,
    'MALFORMED_JSON',
  ],
  [
    'a body that would reach into prototypes',
    { headers: { 'content-type': 'application/json' }, body: '{"__proto__":{"a":1}}' },
    400,
    'MALFORMED_JSON',
  ],
])('%s is a problem of the catalogue', async (_, request, status, code) => {
  const answer = await fetch(`${url}/v1/things`, { method: 'POST', ...request });
  const body = JSON.parse(await answer.text());
  expect([answer.status, body.code, body.status]).toEqual([status, code, status]);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
});

test('a known address with another method and a malformed address are NOT_FOUND', async () => {
  for (const path of ['/v1/things', '/%zz']) {
    const answer = await fetch(`${url}${path}`);
    const body = JSON.parse(await answer.text());
    expect([answer.status, body.code]).toEqual([404, 'NOT_FOUND']);
  }
});
