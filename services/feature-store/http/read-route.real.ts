import { definitions, group } from '@featuremesh/testkit/region/test-definitions';
import { TestRegion } from '@featuremesh/testkit/region/test-region';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let region: TestRegion;
const HOUR_MS = 3_600_000;

beforeAll(async () => {
  region = await TestRegion.start();
  const answer = await region.call('POST', '/v1/admin/definitions', {
    definitions: definitions(
      [
        group('delays', { maxAgeMs: 36 * HOUR_MS, features: { mean: 'float64?', count: 'int64?' } }),
        group('profile', { features: { name: 'string', embedding: 'float32[3]?' } }),
        group('routes', { entities: ['route'], features: { minutes: 'int32' } }),
      ],
      {
        entities: {
          airport: [{ name: 'airport', type: 'string' }],
          route: [
            { name: 'origin', type: 'string' },
            { name: 'destination', type: 'string' },
          ],
        },
        services: [
          {
            name: 'model',
            homeRegion: region.registry.state().region,
            tags: [],
            features: [
              { group: 'delays', features: ['mean'] },
              { group: 'profile', as: 'from', features: ['name'], keys: { airport: 'origin' } },
              { group: 'profile', as: 'to', features: ['name'], keys: { airport: 'destination' } },
            ],
          },
        ],
      },
    ),
  });
  expect(answer.body).toMatchObject({ perRegion: [{ region: 'us-east-1', outcome: 'applied' }] });
  const nowMs = region.nowMs();
  await region.put('delays', [
    {
      key: { airport: 'ATL' },
      eventTimeMs: nowMs - HOUR_MS,
      features: { mean: 4.5, count: '9007199254740993' },
    },
    { key: { airport: 'BOS' }, eventTimeMs: nowMs - HOUR_MS, features: {} },
    { key: { airport: 'OLD' }, eventTimeMs: nowMs - 40 * HOUR_MS, features: { mean: 7, count: 1 } },
    { key: { airport: 'GONE' }, eventTimeMs: nowMs - HOUR_MS, deleted: true },
  ]);
  await region.put('profile', [
    { key: { airport: 'ATL' }, eventTimeMs: 0, features: { name: 'Atlanta', embedding: [1, 2.5, -3] } },
    { key: { airport: 'BOS' }, eventTimeMs: 0, features: { name: 'Boston' } },
  ]);
  await region.put('routes', [
    { key: { origin: 'ATL', destination: 'BOS' }, eventTimeMs: 0, features: { minutes: 150 } },
    { key: { origin: 'BOS', destination: 'ATL' }, eventTimeMs: 0, features: { minutes: 160 } },
  ]);
});

afterAll(() => region.stop());

const read = (body: unknown) => region.call('POST', '/v1/online/read', body);

describe('statuses', () => {
  test('M7 stored null, absent, deleted and too old are four different answers', async () => {
    const { status, body } = await read({
      features: ['delays:mean', 'delays:count'],
      keys: { airport: ['ATL', 'BOS', 'NONE', 'GONE', 'OLD'] },
    });
    expect(status).toBe(200);
    expect(body.rows).toBe(5);
    const [result] = body.results;
    expect(result.names).toEqual(['mean', 'count']);
    expect(result.columns[0]).toEqual([4.5, null, null, null, null]);
    expect(result.statuses[0]).toEqual([
      'PRESENT',
      'NULL_VALUE',
      'NOT_FOUND',
      'NOT_FOUND',
      'OUTSIDE_MAX_AGE',
    ]);
    expect(result.eventTimes.map((time: string | null) => time !== null)).toEqual([
      true,
      true,
      false,
      false,
      true,
    ]);
    expect(result.source).toMatchObject({ region: 'us-east-1', replica: false, lagMs: 0 });
    expect(result.problem).toBeUndefined();
  });

  test('M6 an int64 above 2^53 arrives as the same digits', async () => {
    const { body } = await read({ features: ['delays:count'], keys: { airport: 'ATL' } });
    expect(body.results[0].columns).toEqual([['9007199254740993']]);
    expect(body.results[0].statuses).toEqual(['PRESENT']);
  });

  test('a uniform column has one status word', async () => {
    const { body } = await read({ features: ['profile:name'], keys: { airport: ['ATL', 'BOS'] } });
    expect(body.results[0].statuses).toEqual(['PRESENT']);
  });

  test('a request shortens the max age but never lengthens it; includeStale shows the value under its status', async () => {
    const short = await read({ features: ['delays:mean'], keys: { airport: 'ATL' }, maxAgeMs: 60_000 });
    expect(short.body.results[0]).toMatchObject({ columns: [[null]], statuses: ['OUTSIDE_MAX_AGE'] });
    const long = await read({
      features: ['delays:mean'],
      keys: { airport: 'OLD' },
      maxAgeMs: 1_000 * HOUR_MS,
    });
    expect(long.body.results[0]).toMatchObject({ columns: [[null]], statuses: ['OUTSIDE_MAX_AGE'] });
    const stale = await read({ features: ['delays:mean'], keys: { airport: 'OLD' }, includeStale: true });
    expect(stale.body.results[0]).toMatchObject({ columns: [[7]], statuses: ['OUTSIDE_MAX_AGE'] });
  });

  test('V5 a failing store is 503 STORE_UNAVAILABLE and UNAVAILABLE inside, never NOT_FOUND', async () => {
    region.failReads(true);
    try {
      const { status, headers, body } = await read({
        features: ['delays:mean'],
        keys: { airport: ['ATL', 'NONE'] },
      });
      expect(status).toBe(503);
      expect(headers.get('content-type')).toContain('application/problem+json');
      expect(body).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
      expect(body.results[0]).toMatchObject({ columns: null, statuses: ['UNAVAILABLE'], eventTimes: null });
      expect(JSON.stringify(body)).not.toContain('NOT_FOUND');
    } finally {
      region.failReads(false);
    }
  });
});

describe('order and shape', () => {
  test('M8, V3 the asked order and duplicates come back through rowIndex; each key is looked up once', async () => {
    const asked = ['BOS', 'ATL', 'BOS', 'NONE', 'ATL'];
    const { body } = await read({ features: ['profile:name'], keys: { airport: asked } });
    const [result] = body.results;
    const index: number[] = result.rowIndex ?? asked.map((_, i) => i);
    expect(result.columns[0].length).toBe(3);
    expect(index.map(at => result.columns[0][at])).toEqual(['Boston', 'Atlanta', 'Boston', null, 'Atlanta']);
  });

  test('V3 holds for any list of keys', async () => {
    const names: Readonly<Record<string, string | null>> = {
      ATL: 'Atlanta',
      BOS: 'Boston',
      X: null,
      Y: null,
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...Object.keys(names)), { minLength: 1, maxLength: 20 }),
        async asked => {
          const { body } = await read({ features: ['profile:name'], keys: { airport: asked } });
          const [result] = body.results;
          const index: number[] = result.rowIndex ?? asked.map((_, i) => i);
          expect(index.map(at => result.columns[0][at])).toEqual(asked.map(name => names[name]));
          expect(new Set(asked).size).toBe(result.columns[0].length);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('a scalar key applies to every row', async () => {
    const { body } = await read({
      features: ['routes:minutes'],
      keys: { origin: 'ATL', destination: ['BOS', 'ATL'] },
    });
    expect(body.rows).toBe(2);
    const [result] = body.results;
    expect(result.statuses).toEqual([['PRESENT', 'NOT_FOUND']]);
  });

  test('a service answers one group in two roles', async () => {
    const { status, body } = await read({
      service: 'model',
      keys: { airport: 'ATL', origin: 'ATL', destination: 'BOS' },
    });
    expect(status).toBe(200);
    const byRole = Object.fromEntries(
      body.results.map((result: { as?: string; columns: unknown[][] }) => [
        result.as ?? '',
        result.columns[0]?.[0],
      ]),
    );
    expect(byRole).toEqual({ '': 4.5, from: 'Atlanta', to: 'Boston' });
  });

  test('vectors come as arrays or as base64 of little-endian float32', async () => {
    const array = await read({ features: ['profile:embedding'], keys: { airport: 'ATL' } });
    expect(array.body.results[0].columns).toEqual([[[1, 2.5, -3]]]);
    const text = await read({
      features: ['profile:embedding'],
      keys: { airport: 'ATL' },
      vectorsAs: 'base64f32',
    });
    const bytes = Buffer.from(text.body.results[0].columns[0][0], 'base64');
    expect([0, 4, 8].map(at => bytes.readFloatLE(at))).toEqual([1, 2.5, -3]);
  });
});

describe('bad input', () => {
  test.each([
    [
      'M9 unequal lengths',
      { features: ['routes:minutes'], keys: { origin: ['a', 'b'], destination: ['c', 'd', 'e'] } },
      'UNEQUAL_LENGTHS',
      400,
    ],
    [
      'service and features',
      { service: 'model', features: ['delays:mean'], keys: {} },
      'SERVICE_AND_FEATURES',
      400,
    ],
    ['unknown group', { features: ['nothing:x'], keys: { airport: 'ATL' } }, 'UNKNOWN_GROUP', 404],
    ['unknown feature', { features: ['delays:x'], keys: { airport: 'ATL' } }, 'UNKNOWN_FEATURE', 400],
    ['missing key part', { features: ['routes:minutes'], keys: { origin: 'ATL' } }, 'MISSING_KEY', 422],
    [
      'wrong member',
      { features: ['delays:mean'], keys: { airport: 'ATL' }, maxAge: 3 },
      'INVALID_REQUEST',
      400,
    ],
    [
      'too many rows',
      { features: ['delays:mean'], keys: { airport: Array.from({ length: 1_001 }, (_, i) => `k${i}`) } },
      'TOO_MANY_ROWS',
      400,
    ],
    [
      'malformed position',
      { features: ['delays:mean'], keys: { airport: 'ATL' }, consistency: { after: 'x' } },
      'INVALID_POSITION',
      400,
    ],
  ])('%s', async (_, body, code, status) => {
    const answer = await read(body);
    expect({ status: answer.status, code: answer.body.code }).toEqual({ status, code });
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  });

  test('malformed JSON, an oversized body and an unknown address are problems without inner details', async () => {
    const malformed = await read('{"features": [');
    expect([malformed.status, malformed.body.code]).toEqual([400, 'MALFORMED_JSON']);
    const large = await read(`{"keys": {"airport": "${'x'.repeat(17 * 1024 * 1024)}"}}`);
    expect([large.status, large.body.code]).toEqual([413, 'BODY_TOO_LARGE']);
    const unknown = await region.call('GET', '/v1/nothing?airport=ATL');
    expect([unknown.status, unknown.body.code]).toEqual([404, 'NOT_FOUND']);
    for (const { body } of [malformed, large, unknown])
      expect(JSON.stringify(body)).not.toMatch(/127\.0\.0\.1|at .*\.ts/);
  });

  test('no entity key reaches the log', async () => {
    await read({ features: ['delays:mean'], keys: { airport: 'SECRETKEY' } });
    await read({ features: ['routes:minutes'], keys: { origin: 'SECRETKEY' } });
    await region.call('GET', '/v1/SECRETKEY');
    expect(region.logLines.length).toBeGreaterThan(0);
    expect(region.logLines.join('')).not.toContain('SECRETKEY');
  });
});

describe('freshness and position', () => {
  test('V1 a PRESENT value is never older than its max age', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 5_000 }),
        fc.integer({ min: 0, max: 5_000 }),
        async (ageMs, maxAgeMs) => {
          const eventTimeMs = region.nowMs() - ageMs;
          const key = { airport: `age-${ageMs}-${maxAgeMs}` };
          await region.put('delays', [{ key, eventTimeMs, features: { mean: 1 } }]);
          const beforeMs = region.nowMs();
          const { body } = await read({ features: ['delays:mean'], keys: key, maxAgeMs });
          const afterMs = region.nowMs();
          const [status] = body.results[0].statuses;
          // The read judged by a clock between the two looks.
          if (status === 'PRESENT') expect(beforeMs - eventTimeMs).toBeLessThanOrEqual(maxAgeMs);
          else {
            expect(status).toBe('OUTSIDE_MAX_AGE');
            expect(body.results[0].columns).toEqual([[null]]);
            expect(afterMs - eventTimeMs).toBeGreaterThan(maxAgeMs);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('V6 a read after a position waits for it, and says so where it does not come', async () => {
    const { id } = region.group('delays');
    const position = { origin: 'us-east-1', feedEpoch: 'abc', groupId: id, appender: 0, sequence: 5 };
    const token = `p1.us-east-1.abc.${id}.0.5`;
    const body = { features: ['delays:mean'], keys: { airport: 'ATL' }, consistency: { after: token } };
    const late = await read(body);
    expect([late.status, late.body.code]).toEqual([503, 'POSITION_NOT_REACHED']);
    expect(late.headers.get('retry-after')).not.toBeNull();
    const waiting = read(body);
    const table = region.app.tables.tableFor(id, 1);
    if (table === undefined) throw new Error('no table');
    await region.store.apply({ table, rows: [], positions: [position as never] });
    expect((await waiting).status).toBe(200);
  });
});
