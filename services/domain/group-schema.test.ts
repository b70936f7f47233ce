import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';
import type { FeatureDefinition } from './feature-group.ts';
import { parseFeatureType } from './feature-type.ts';
import { compatibility, joinKeyChanges, schemaText } from './group-schema.ts';

function feature(text: string): FeatureDefinition {
  const [name = '', written = '', nullable] = text.split(' ');
  const type = parseFeatureType(written);
  if (type === undefined) throw new Error(written);
  return { name, type, nullable: nullable === 'null' };
}
const features = (...texts: string[]) => texts.map(feature);
const base = features('a int64', 'b string null');

describe('A9: a change of features is', () => {
  test.each([
    ['same', features('a int64', 'b string null')],
    ['revision', features('a int64', 'b string null', 'c float32[4] null')],
    ['revision', features('c bool null', 'a int64', 'b string null')],
    ['revision', features('b string null', 'a int64')],
    ['revision', features('a int64 null', 'b string null')],
    ['version', features('a int64')],
    ['version', features('a int64', 'b string')],
    ['version', features('a int32', 'b string null')],
    ['version', features('a int64[]', 'b string null')],
    ['version', features('a int64', 'b string null', 'c bool')],
    ['version', features('a int64', 'renamed string null')],
  ])('%s', (kind, next) => {
    const change = compatibility(base, next);
    expect(change.kind).toBe(kind);
    expect(change.reasons.length > 0).toBe(kind !== 'same');
  });

  test('explained by the features that changed', () => {
    const { reasons } = compatibility(features('v float32[4]'), features('v float32[8]', 'w bool'));
    expect(reasons.join('; ')).toMatch(
      /v changes from float32\[4\] to float32\[8\].*w is added and not nullable/,
    );
  });
});

test('descriptions and the order of join keys are no part of the schema; types, order of features and nullability are', () => {
  const keys = [
    { name: 'k', type: 'string' },
    { name: 'a', type: 'int64' },
  ] as const;
  const text = schemaText(keys, base);
  expect(
    schemaText(
      keys.toReversed(),
      base.map(one => ({ ...one, description: 'd' })),
    ),
  ).toBe(text);
  expect(schemaText(keys, base.toReversed())).not.toBe(text);
  expect(schemaText(keys, features('a int64 null', 'b string null'))).not.toBe(text);
  expect(schemaText([{ name: 'k', type: 'string', role: 'region' }], base)).not.toBe(
    schemaText([{ name: 'k', type: 'string' }], base),
  );
});

test('any change of join keys is named', () => {
  const key = { name: 'k', type: 'string' } as const;
  expect(joinKeyChanges([key], [key])).toEqual([]);
  expect(joinKeyChanges([key], [{ ...key, type: 'int64' }])).toHaveLength(2);
  expect(joinKeyChanges([key], [{ ...key, role: 'region' }])).toHaveLength(2);
});

test('durations', () => {
  for (const [text, ms] of [
    ['500ms', 500],
    ['30s', 30_000],
    ['15m', 900_000],
    ['36h', 129_600_000],
    ['400d', 34_560_000_000],
  ] as const) {
    expect(parseDuration(text)).toBe(ms);
    expect(parseDuration(formatDuration(ms))).toBe(ms);
  }
  for (const text of ['', '0s', '1', 'h', '1.5h', '-1h', '1 h', '1w', '99999999999d', '1H']) {
    expect(parseDuration(text)).toBeUndefined();
  }
});
