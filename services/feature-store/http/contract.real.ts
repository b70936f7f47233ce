import { policyListSchema } from '@featuremesh/contracts/admin-policies';
import { regionListSchema, syncStatusSchema } from '@featuremesh/contracts/admin-regions';
import { onlineAnswerSchema } from '@featuremesh/contracts/http-read';
import { writeAnswerSchema } from '@featuremesh/contracts/http-rows';
import { operationListSchema } from '@featuremesh/contracts/operation';
import { ERRORS, type ErrorCode } from '@featuremesh/domain/error-catalogue';
import {
  MAX_CHUNK_ROWS,
  MAX_LISTED_REJECTIONS,
  MAX_READ_FEATURES,
  MAX_READ_ROWS,
} from '@featuremesh/domain/limits';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { definitions, group } from '@featuremesh/testkit/region/test-definitions';
import { type TestAnswer, TestRegion } from '@featuremesh/testkit/region/test-region';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** The promises of the region's HTTP API that reach through the whole service: written over HTTP, read over HTTP. */
const SLOW_MS = 60_000;
const EVENT = '2026-01-01T00:00:00Z';
/** The longest name that definitions permit: team, dot, name. */
const LONG = `${'t'.repeat(63)}.${'n'.repeat(63)}`;
const NDJSON = { 'content-type': 'application/x-ndjson' };

let broker: FeedBroker;
let region: TestRegion;

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer());
  region = await TestRegion.start('us-east-1', { brokerUrl: broker.url });
  const typed = {
    flag: 'bool?',
    small: 'int32?',
    large: 'int64?',
    single: 'float32?',
    double: 'float64?',
    text: 'string?',
    raw: 'bytes?',
    at: 'timestamp?',
    flags: 'bool[]?',
    larges: 'int64[]?',
    texts: 'string[]?',
    times: 'timestamp[]?',
    place: 'float32[3]?',
  };
  const applied = await region.call('POST', '/v1/admin/definitions', {
    definitions: definitions(
      [
        group('typed', { features: typed }),
        group('required', { features: { must: 'int32', may: 'int32?' } }),
        group('keyed', { entities: ['everything'], features: { x: 'int32' } }),
        group(LONG, { features: { x: 'int32' } }),
      ],
      {
        entities: {
          airport: [{ name: 'airport', type: 'string' }],
          everything: [
            { name: 'text', type: 'string' },
            { name: 'raw', type: 'bytes' },
            { name: 'flag', type: 'bool' },
            { name: 'small', type: 'int32' },
            { name: 'large', type: 'int64' },
            { name: 'at', type: 'timestamp' },
          ],
        },
      },
    ),
  });
  expect(applied.status).toBe(200);
}, SLOW_MS);

afterAll(async () => {
  await region.stop();
  await broker.stop();
}, SLOW_MS);

const write = (name: string, rows: readonly unknown[], query = '', headers = {}) =>
  region.call('POST', `/v1/groups/${name}/rows${query}`, { rows }, headers);
const read = (features: readonly string[], airport: unknown, more: object = {}) =>
  region.call('POST', '/v1/online/read', { features, keys: { airport }, ...more });
const row = (airport: string, features: object = {}, more: object = {}) => ({
  key: { airport },
  eventTime: EVENT,
  features,
  ...more,
});

function expectProblem(answer: TestAnswer, code: ErrorCode): void {
  expect([answer.body.code, answer.status]).toEqual([code, ERRORS[code].http]);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(answer.body).toMatchObject({
    title: ERRORS[code].title,
    retryable: ERRORS[code].retryable,
    detail: expect.stringMatching(/\S/),
  });
}

describe('values', () => {
  const VALUES = {
    flag: true,
    small: -2_147_483_648,
    large: '-9223372036854775808',
    single: 0.5,
    double: 1e-300,
    text: 'Zoë \u0000 日本',
    raw: 'AAECAw==',
    at: '2026-01-01T12:00:00.123456Z',
    flags: [true, false],
    larges: ['9223372036854775807', '0'],
    texts: ['', 'a'],
    times: ['1969-12-31T23:59:59.999999Z'],
    place: [1, -2.5, 3],
  };

  test('every type is answered as it was written, by JSON and by NDJSON', async () => {
    expect((await write('typed', [row('json', VALUES)])).body).toMatchObject({ accepted: 1 });
    const lines = `${JSON.stringify(row('lines', VALUES))}\n`;
    expect((await region.call('POST', '/v1/groups/typed/rows', lines, NDJSON)).body).toMatchObject({
      accepted: 1,
    });
    const names = Object.keys(VALUES);
    const { body } = await read(
      names.map(name => `typed:${name}`),
      ['json', 'lines'],
    );
    const [result] = onlineAnswerSchema.parse(body).results;
    expect(result?.names).toEqual(names);
    expect(result?.columns).toEqual(Object.values(VALUES).map(value => [value, value]));
    expect(result?.statuses).toEqual(names.map(() => 'PRESENT'));
    expect(result?.eventTimes).toEqual(['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z']);
  });

  test('a safe whole number stands for an int64 and is answered as text; beyond 2^53 it is refused', async () => {
    await write('typed', [row('safe', { large: 9007199254740991, larges: [1] })]);
    expect((await read(['typed:large', 'typed:larges'], 'safe')).body.results[0].columns).toEqual([
      ['9007199254740991'],
      [['1']],
    ]);
    const raw = `{"rows":[{"key":{"airport":"unsafe"},"eventTime":"${EVENT}","features":{"larges":[1,9007199254740993]}}]}`;
    expect((await region.call('POST', '/v1/groups/typed/rows', raw)).body.rejected).toMatchObject([
      { code: 'INT64_PRECISION' },
    ]);
  });

  test('a time with another zone is answered in UTC; finer than a microsecond or without a zone it is refused', async () => {
    await write('typed', [
      row('zone', { at: '2026-01-01T02:00:00+02:00' }, { eventTime: '2026-01-01T01:30:00.5+01:30' }),
    ]);
    const { results } = (await read(['typed:at'], 'zone')).body;
    expect([results[0].columns, results[0].eventTimes]).toEqual([
      [['2026-01-01T00:00:00Z']],
      ['2026-01-01T00:00:00.500Z'],
    ]);
    const refused = await write('typed', [
      row('zone', { at: '2026-01-01T00:00:00.1234567Z' }),
      row('zone', {}, { eventTime: '2026-01-01T00:00:00' }),
      row('zone', {}, { createdTime: 'yesterday' }),
    ]);
    expect(refused.body.rejected.map(({ code }: { code: string }) => code)).toEqual([
      'INVALID_VALUE',
      'INVALID_EVENT_TIME',
      'INVALID_CREATED_TIME',
    ]);
  });

  test('vectors are answered as base64 of little-endian floats where that is asked for', async () => {
    await write('typed', [row('vector', { place: [1, 2, 3] })]);
    const { body } = await read(['typed:place'], ['vector', 'none'], { vectorsAs: 'base64f32' });
    const [text, none] = body.results[0].columns[0];
    expect([...new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer)]).toEqual([1, 2, 3]);
    expect(none).toBeNull();
    const short = await write('typed', [row('vector', { place: [1, 2] })]);
    expect(short.body.rejected).toMatchObject([{ code: 'INVALID_VALUE' }]);
  });

  test('keys of every type find their row; null or a wrong type is refused, on write and on read', async () => {
    const key = {
      text: 'a',
      raw: 'AAE=',
      flag: false,
      small: -1,
      large: '9007199254740993',
      at: '2026-01-01T00:00:00.000001Z',
    };
    expect((await write('keyed', [{ key, eventTime: EVENT, features: { x: 7 } }])).body).toMatchObject({
      accepted: 1,
    });
    const keyed = (keys: object) => region.call('POST', '/v1/online/read', { features: ['keyed:x'], keys });
    expect((await keyed(key)).body.results[0]).toMatchObject({ columns: [[7]], statuses: ['PRESENT'] });
    expect((await keyed({ ...key, large: '9007199254740992' })).body.results[0]).toMatchObject({
      statuses: ['NOT_FOUND'],
    });
    const wrong = await write('keyed', [
      { key: { ...key, flag: null }, eventTime: EVENT, features: { x: 1 } },
      { key: { ...key, small: 1.5 }, eventTime: EVENT, features: { x: 1 } },
      { key: { ...key, text: 'x'.repeat(1_100) }, eventTime: EVENT, features: { x: 1 } },
    ]);
    expect(wrong.body.rejected.map(({ code }: { code: string }) => code)).toEqual([
      'MISSING_KEY',
      'INVALID_KEY',
      'KEY_TOO_LONG',
    ]);
    expectProblem(await keyed({ ...key, small: 1.5 }), 'INVALID_KEY');
    expectProblem(await keyed({ ...key, text: 'x'.repeat(1_100) }), 'KEY_TOO_LONG');
  });
});

describe('rows', () => {
  test('a row replaces the whole row: an omitted nullable feature becomes null, an omitted required one is refused', async () => {
    const later = { eventTime: '2026-01-02T00:00:00Z' };
    await write('required', [row('whole', { must: 1, may: 2 })]);
    const second = await write('required', [
      row('whole', { must: 3 }, later),
      row('whole', { may: 4 }, later),
    ]);
    expect(second.body).toMatchObject({ accepted: 1, rejected: [{ index: 1, code: 'REQUIRED_FEATURE' }] });
    expect((await read(['required:must', 'required:may'], 'whole')).body.results[0]).toMatchObject({
      columns: [[3], [null]],
      statuses: ['PRESENT', 'NULL_VALUE'],
    });
  });

  test('several rows of one key in a batch are normal, the newest event wins; a deletion is a row like others', async () => {
    const at = (day: number, more: object) => ({
      key: { airport: 'days' },
      eventTime: `2026-01-0${day}T00:00:00Z`,
      ...more,
    });
    const answer = await write('required', [
      at(3, { features: { must: 3 } }),
      at(1, { features: { must: 1 } }),
      at(2, { deleted: true }),
    ]);
    expect(writeAnswerSchema.parse(answer.body)).toMatchObject({ accepted: 3, rejectedTotal: 0 });
    expect((await read(['required:must'], 'days')).body.results[0].columns).toEqual([[3]]);
    await write('required', [at(4, { deleted: true })]);
    expect((await read(['required:must'], 'days')).body.results[0]).toMatchObject({
      columns: [[null]],
      statuses: ['NOT_FOUND'],
      eventTimes: [null],
    });
    expect(
      (await write('required', [at(5, { deleted: true, features: { must: 1 } })])).body.rejected,
    ).toMatchObject([{ code: 'MALFORMED_ROW' }]);
  });

  test('of many rejections the first 1,000 are listed and all are counted', async () => {
    const count = MAX_LISTED_REJECTIONS + 500;
    const { status, body } = await write('required', [
      row('good', { must: 1 }),
      ...Array.from({ length: count }, () => 5),
    ]);
    expect(status).toBe(207);
    expect(writeAnswerSchema.parse(body)).toMatchObject({ accepted: 1, rejectedTotal: count });
    expect(body.rejected.map(({ index }: { index: number }) => index)).toEqual(
      Array.from({ length: MAX_LISTED_REJECTIONS }, (_, at) => at + 1),
    );
  });

  test('onReject=fail keeps a batch of one chunk whole or out', async () => {
    const bad = await write('required', [row('atomic', { must: 1 }), 5], '?onReject=fail');
    expect([bad.status, bad.body.accepted, bad.body.position]).toEqual([422, 0, null]);
    expect((await read(['required:must'], 'atomic')).body.results[0].statuses).toEqual(['NOT_FOUND']);
    const full = Array.from({ length: MAX_CHUNK_ROWS }, (_, at) => row(`atomic-${at}`, { must: at }));
    expect((await write('required', full, '?onReject=fail')).body).toMatchObject({
      accepted: MAX_CHUNK_ROWS,
    });
    expectProblem(
      await write('required', [...full, row('more', { must: 1 })], '?onReject=fail'),
      'TOO_MANY_ROWS',
    );
  });

  test('a row above 12 KiB is refused, its neighbours are not', async () => {
    const answer = await write('typed', [
      row('big', { text: 'x'.repeat(13_000) }),
      row('next', { text: 'x' }),
    ]);
    expect(answer.body).toMatchObject({ accepted: 1, rejected: [{ index: 0, code: 'ROW_TOO_LARGE' }] });
  });

  test('a position is waited for by a later read; one of another log is refused or not reached, never ignored', async () => {
    const { body } = await write('required', [row('after', { must: 9 })]);
    expect(body).toMatchObject({ online: 'APPLIED', position: expect.stringMatching(/^\S+$/) });
    const after = await read(['required:must'], 'after', { consistency: { after: body.position } });
    expect(after.body.results[0].columns).toEqual([[9]]);
    expectProblem(
      await read(['required:must'], 'after', { consistency: { after: 'nonsense' } }),
      'INVALID_POSITION',
    );
  });
});

describe('names and limits', () => {
  test('the longest name that definitions permit is written, read, shown and explained, with home and version', async () => {
    for (const name of [LONG, `us-east-1/${LONG}`, `us-east-1%2F${LONG}@v1`, `${LONG}@v1`]) {
      const written = await write(name, [row('long', { x: 1 })]);
      expect([name, written.status]).toEqual([name, 200]);
      expect((await region.call('GET', `/v1/groups/${name}`)).body).toMatchObject({ name: LONG });
    }
    expect((await read([`us-east-1/${LONG}@v1:x`], 'long')).body.results[0]).toMatchObject({
      columns: [[1]],
    });
    expect(
      (await region.call('GET', `/v1/admin/policies/explain?group=us-east-1/${LONG}`)).body,
    ).toMatchObject({ placement: ['us-east-1'] });
  });

  test('rows and features of a read have stated limits, each with its code', async () => {
    const keys = Array.from({ length: MAX_READ_ROWS }, (_, at) => `k${at}`);
    expect((await read(['required:must'], keys)).body).toMatchObject({ rows: MAX_READ_ROWS });
    expectProblem(await read(['required:must'], [...keys, 'one more']), 'TOO_MANY_ROWS');
    const features = Array.from({ length: MAX_READ_FEATURES + 1 }, () => 'required:must');
    expectProblem(await read(features, 'k'), 'TOO_MANY_FEATURES');
  });

  test('what comes later is refused by name, and errors of a shape list the places', async () => {
    expectProblem(await read(['required:must'], 'k', { context: { device: 'phone' } }), 'NOT_YET_SUPPORTED');
    const wrong = await read(['required:must'], 'k', { maxAgeMs: -1, includeStale: 'yes', other: 1 });
    expectProblem(wrong, 'INVALID_REQUEST');
    expect(wrong.body.issues.map(({ path }: { path: string }) => path).toSorted()).toEqual(
      expect.arrayContaining(['includeStale', 'maxAgeMs']),
    );
    for (const part of ['erasures', 'datasets', 'materialisations'])
      expectProblem(await region.call('POST', `/v1/admin/${part}`, {}), 'NOT_YET_SUPPORTED');
  });
});

describe('what is served beside rows and reads', () => {
  test('catalogue, operations, policies, regions and sync answer in the documented shapes', async () => {
    const groups = (await region.call('GET', '/v1/groups')).body.groups;
    expect(groups.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(['typed', 'required', LONG]),
    );
    expect(groups[0]).toMatchObject({
      home: 'us-east-1',
      version: 1,
      revision: 1,
      placement: { regions: ['us-east-1'] },
    });
    expectProblem(await region.call('GET', '/v1/services/nothing'), 'UNKNOWN_SERVICE');
    expect(operationListSchema.parse((await region.call('GET', '/v1/operations')).body)).toEqual({
      operations: [],
    });
    expectProblem(await region.call('GET', '/v1/operations/op-1'), 'NOT_FOUND');
    expectProblem(await region.call('POST', '/v1/operations/op-1/cancel', {}), 'NOT_FOUND');
    policyListSchema.parse((await region.call('GET', '/v1/admin/policies')).body);
    regionListSchema.parse((await region.call('GET', '/v1/admin/regions')).body);
    const sync = syncStatusSchema.parse((await region.call('GET', '/v1/admin/sync')).body);
    expect(sync.groups.find(one => one.group === 'us-east-1/required')?.rows).toBeGreaterThan(0);
  });

  test('health, route and metrics', async () => {
    expect(await region.call('GET', '/health/live')).toMatchObject({ status: 200, body: { live: true } });
    expect(await region.call('GET', '/health/ready')).toMatchObject({ status: 200 });
    expect(await region.call('GET', '/health/route')).toMatchObject({
      status: 200,
      body: { state: 'active', weight: 100 },
    });
    const metrics = await region.call('GET', '/metrics');
    expect(metrics.headers.get('content-type')).toContain('text/plain');
    expect(metrics.body).toMatch(/^featuremesh_\w+\{.*\} \d/m);
    expect(metrics.body).not.toContain('airport');
  });

  test('a bearer token is taken without complaint where no authentication is configured', async () => {
    const answer = await region.call(
      'POST',
      '/v1/online/read',
      { features: ['required:must'], keys: { airport: 'whole' }, purpose: 'anything' },
      { authorization: 'Bearer whatever' },
    );
    expect(answer.status).toBe(200);
  });
});
