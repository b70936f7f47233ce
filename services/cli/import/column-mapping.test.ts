import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { parseKeys } from '../commands/keys-option.ts';
import { columnMapping, toRow } from './column-mapping.ts';
import { ndjsonLines } from './row-lines.ts';

const none = { keyColumns: [], eventTimeColumn: undefined, createdTimeColumn: undefined, featureColumns: [] };

test('columns become keys, times and features; without a list all others are features', () => {
  const mapping = columnMapping({
    ...none,
    keyColumns: ['airport=origin', 'day'],
    eventTimeColumn: 'at',
    createdTimeColumn: 'known',
  });
  if (mapping === undefined) throw new Error('no mapping');
  const record = { origin: 'SEA', day: 3, at: '2026-01-01T00:00:00Z', known: null, delay: 4, note: null };
  expect(toRow(record, mapping)).toEqual({
    key: { airport: 'SEA', day: 3 },
    eventTime: '2026-01-01T00:00:00Z',
    features: { delay: 4, note: null },
  });
  const some = columnMapping({
    ...none,
    keyColumns: ['airport=origin'],
    eventTimeColumn: 'at',
    featureColumns: ['mean=delay'],
  });
  if (some === undefined) throw new Error('no mapping');
  expect(toRow(record, some).features).toEqual({ mean: 4 });
});

test('half a mapping is refused, none means rows as they are', async () => {
  expect(columnMapping(none)).toBeUndefined();
  expect(() => columnMapping({ ...none, keyColumns: ['a'] })).toThrow('INVALID_REQUEST');
  const lines = [];
  for await (const line of ndjsonLines(Readable.from(['{"a":1}\r\n\nnot json\n']), undefined))
    lines.push(line.line);
  expect(lines).toEqual(['{"a":1}', 'not json']);
});

test('a line that cannot be mapped is passed on for the region to name, and the lines after it are mapped', async () => {
  const texts = ['{"k":1,"t":"x"}', '{nonsense', '', '[1]', '{"k":2,"t":"y"}'].map(text => `${text}\n`);
  const mapping = columnMapping({
    keyColumns: ['k'],
    eventTimeColumn: 't',
    createdTimeColumn: undefined,
    featureColumns: [],
  });
  const lines: (readonly [number, string])[] = [];
  for await (const { number, line } of ndjsonLines(Readable.from(texts), mapping)) lines.push([number, line]);
  expect(lines).toEqual([
    [1, '{"key":{"k":1},"eventTime":"x","features":{}}'],
    [2, '{nonsense'],
    [4, '[1]'],
    [5, '{"key":{"k":2},"eventTime":"y","features":{}}'],
  ]);
});

test('keys are written name=value; commas separate rows, an escaped comma does not', () => {
  expect(parseKeys(['user=u1', 'article=a1,a2', 'place=a\\,b', 'text=x=y'])).toEqual({
    user: 'u1',
    article: ['a1', 'a2'],
    place: 'a,b',
    text: 'x=y',
  });
  expect(() => parseKeys(['user'])).toThrow('INVALID_REQUEST');
});
