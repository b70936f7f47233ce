import { readHeader } from '@featuremesh/domain/packed-row';
import { RowDecoder } from '@featuremesh/domain/row-decoder';
import { WORLD_REGION, WriteWorld } from '@featuremesh/testkit/ingest/write-world';
import { expect, test } from 'vitest';
import { HeldGroups } from './held-groups.ts';
import { parseRowsJson, rowsOfBody } from './json-rows.ts';
import { RowBuilder } from './row-builder.ts';
import { type WriteTarget, WriteTargets } from './write-targets.ts';

const NOW_MS = Date.parse('2026-06-01T12:00:00Z');
const clock = { nowMs: () => NOW_MS, nowUs: () => BigInt(NOW_MS) * 1_000n };
const EVENT = '2026-06-01T11:00:00Z';

const world = new WriteWorld({
  all: {
    features: {
      count: 'int64?',
      counts: 'int64[]?',
      mean: 'float64?',
      label: 'string',
      vector: 'float32[2]?',
    },
    joinKeys: [{ name: 'id', type: 'int64' }],
  },
  people: {
    features: { mean: 'float64?' },
    joinKeys: [
      { name: 'residence', type: 'string', role: 'region' },
      { name: 'traveller', type: 'string' },
    ],
    rows: 'origin',
    regions: ['us-east-1', 'us-west-2'],
  },
});

function targetOf(group: string): WriteTarget {
  const groups = new HeldGroups({ registry: world.registry, tables: world, region: WORLD_REGION, clock });
  return new WriteTargets({ groups, tables: world, region: WORLD_REGION, clock }).resolve(group);
}

function builderOf(target: WriteTarget, nonFinite: 'refuse' | 'null' = 'refuse'): RowBuilder {
  let counter = 0;
  const builder = new RowBuilder({
    target,
    nonFinite,
    region: WORLD_REGION,
    state: world.registry.state(),
    nextStamp: () => ({ physicalUs: 77n, counter: counter++, slot: 3 }),
  });
  builder.setNowMs(NOW_MS);
  return builder;
}

function outcome(group: string, json: string): string {
  const target = targetOf(group);
  const built = builderOf(target).build(parseRowsJson(json, target.int64));
  return built.ok ? 'ok' : built.problem.code;
}

const all = (features: string, more = ''): string =>
  outcome('all', `{"key":{"id":1},"eventTime":"${EVENT}"${more},"features":{"label":"x",${features}}}`);

test('shape: members, key and times are judged one by one', () => {
  expect(outcome('all', '7')).toBe('MALFORMED_ROW');
  expect(outcome('all', '[]')).toBe('MALFORMED_ROW');
  expect(outcome('all', 'null')).toBe('MALFORMED_ROW');
  expect(outcome('all', `{"eventTime":"${EVENT}","features":{"label":"x"}}`)).toBe('MISSING_KEY');
  expect(outcome('all', `{"key":"1","eventTime":"${EVENT}","features":{"label":"x"}}`)).toBe('MALFORMED_ROW');
  expect(outcome('all', `{"key":{"id":1},"eventTime":"${EVENT}","feature":{}}`)).toBe('MALFORMED_ROW');
  expect(outcome('all', `{"key":{"id":1},"eventTime":"${EVENT}","features":[]}`)).toBe('MALFORMED_ROW');
  expect(outcome('all', `{"key":{},"eventTime":"${EVENT}","features":{"label":"x"}}`)).toBe('MISSING_KEY');
  expect(outcome('all', `{"key":{"id":1,"b":2},"eventTime":"${EVENT}","features":{"label":"x"}}`)).toBe(
    'UNKNOWN_KEY',
  );
  expect(outcome('all', `{"key":{"id":true},"eventTime":"${EVENT}","features":{"label":"x"}}`)).toBe(
    'INVALID_KEY',
  );
  expect(outcome('all', '{"key":{"id":1},"features":{"label":"x"}}')).toBe('INVALID_EVENT_TIME');
  expect(outcome('all', '{"key":{"id":1},"eventTime":"2026-06-01T11:00:00","features":{"label":"x"}}')).toBe(
    'INVALID_EVENT_TIME',
  );
});

test('times beyond now and the permitted skew of 5 s are refused, up to it they are not', () => {
  const at = (time: string) => `{"key":{"id":1},"eventTime":"${time}","features":{"label":"x"}}`;
  expect(outcome('all', at('2026-06-01T12:00:05Z'))).toBe('ok');
  expect(outcome('all', at('2026-06-01T12:00:05.000001Z'))).toBe('EVENT_TIME_IN_FUTURE');
  expect(all('"mean":1', ',"createdTime":"2026-06-01T12:00:05.001Z"')).toBe('CREATED_TIME_IN_FUTURE');
  expect(all('"mean":1', ',"createdTime":"soon"')).toBe('INVALID_CREATED_TIME');
  expect(all('"mean":1', ',"createdTime":null')).toBe('INVALID_CREATED_TIME');
});

test('values: unknown, missing, mistyped and non-finite ones', () => {
  expect(all('"nope":1')).toBe('UNKNOWN_FEATURE');
  expect(all('"label":null')).toBe('REQUIRED_FEATURE');
  expect(all('"mean":"1"')).toBe('INVALID_VALUE');
  expect(all('"vector":[1]')).toBe('INVALID_VALUE');
  expect(all('"mean":1e999')).toBe('NON_FINITE');
  expect(all(`"label":"${'x'.repeat(13_000)}"`)).toBe('ROW_TOO_LARGE');
});

test('nonFinite=null stores null', () => {
  const target = targetOf('all');
  const row = parseRowsJson(
    `{"key":{"id":1},"eventTime":"${EVENT}","features":{"label":"x","mean":1e999}}`,
    target.int64,
  );
  const built = builderOf(target, 'null').build(row);
  if (!built.ok) throw new Error(built.problem.code);
  const columns: unknown[][] = [[], []];
  new RowDecoder(target.group.revisions, ['mean', 'label']).decodeInto(built.value.row, columns, 0);
  expect(columns).toEqual([[null], ['x']]);
});

test('int64 is judged on the source text, in values, lists and keys, and only there', () => {
  expect(all('"count":9007199254740991')).toBe('ok');
  expect(all('"count":9007199254740993')).toBe('INT64_PRECISION');
  expect(all('"count":"9223372036854775807"')).toBe('ok');
  expect(all('"count":9007199254740990.6')).toBe('INT64_PRECISION');
  expect(all('"count":4503599627370496.00')).toBe('ok');
  expect(all('"count":9.0071992547409905e15')).toBe('INT64_PRECISION');
  expect(all('"count":12e3')).toBe('ok');
  expect(all('"counts":[1,9007199254740990.6]')).toBe('INT64_PRECISION');
  expect(all('"mean":9007199254740990.6')).toBe('ok');
  expect(all('"mean":0.1234567890123456789')).toBe('ok');
  const key = (text: string) =>
    outcome('all', `{"key":{"id":${text}},"eventTime":"${EVENT}","features":{"label":"x"}}`);
  expect(key('9007199254740990.6')).toBe('INT64_PRECISION');
  expect(key('9007199254740993')).toBe('INT64_PRECISION');
  expect(key('"-9223372036854775808"')).toBe('ok');
});

test('a row is packed with its times; without a created time the stamp gives it', () => {
  const target = targetOf('all');
  const row = { key: { id: '1' }, eventTime: EVENT, features: { label: 'x' } };
  const built = builderOf(target).build(row);
  if (!built.ok) throw new Error(built.problem.code);
  expect(readHeader(built.value.row)).toEqual({
    eventTimeUs: BigInt(Date.parse(EVENT)) * 1_000n,
    createdTimeUs: 77n,
    stamp: { physicalUs: 77n, counter: 0, slot: 3 },
    origin: WORLD_REGION,
    deleted: false,
    revision: 1,
  });
});

test('a deletion has no features', () => {
  expect(outcome('all', `{"key":{"id":1},"eventTime":"${EVENT}","deleted":true}`)).toBe('ok');
  expect(outcome('all', `{"key":{"id":1},"eventTime":"${EVENT}","deleted":false}`)).toBe('MALFORMED_ROW');
  expect(outcome('all', `{"key":{"id":1},"eventTime":"${EVENT}","deleted":true,"features":{}}`)).toBe(
    'MALFORMED_ROW',
  );
});

test('a row of another region is refused with where it belongs; a region that may not hold it is unknown', () => {
  const of = (residence: unknown) =>
    builderOf(targetOf('people')).build({
      key: { traveller: 't', residence },
      eventTime: EVENT,
      features: {},
    });
  expect(of('us-east-1').ok).toBe(true);
  expect(of('us-west-2')).toMatchObject({
    problem: { code: 'WRONG_REGION', extra: { region: 'us-west-2', publicUrl: 'http://us-west-2.example' } },
  });
  expect(of('eu-west-1')).toMatchObject({ problem: { code: 'UNKNOWN_REGION' } });
  expect(of('mars')).toMatchObject({ problem: { code: 'UNKNOWN_REGION' } });
  expect(of(7)).toMatchObject({ problem: { code: 'INVALID_KEY' } });
});

test('no problem repeats a value of the row', () => {
  const secret = 'secret-4711';
  for (const row of [
    { key: { id: secret }, eventTime: EVENT, features: { label: 'x' } },
    { key: { id: 1 }, eventTime: secret },
    { key: { id: 1 }, eventTime: EVENT, features: { label: 'x', mean: secret } },
    { key: { id: 1, [secret]: 1 }, eventTime: EVENT, features: { label: 'x' } },
    { key: { id: 1 }, eventTime: EVENT, features: { label: 'x', [secret]: 1 } },
  ]) {
    const built = builderOf(targetOf('all')).build(row);
    expect(built.ok).toBe(false);
    expect(JSON.stringify(built)).not.toContain(secret);
  }
});

test('a body is {"rows": […]} and nothing else', () => {
  const code = (text: string): unknown => {
    try {
      return rowsOfBody(text, undefined);
    } catch (error) {
      return String(error).split(':')[1]?.trim();
    }
  };
  expect(code('{"rows":[1]}')).toEqual([1]);
  for (const text of ['[]', '{}', '{"rows":{}}', '{"rows":[],"more":1}', 'null'])
    expect(code(text)).toBe('INVALID_REQUEST');
  expect(code('{"rows":')).toBe('MALFORMED_JSON');
});
