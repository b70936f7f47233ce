import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';
import type { FeatureDefinition } from './feature-group.ts';
import { parseFeatureType } from './feature-type.ts';
import { schemaText } from './group-schema.ts';

function feature(text: string): FeatureDefinition {
  const [name = '', written = '', nullable] = text.split(' ');
  const type = parseFeatureType(written);
  if (type === undefined) throw new Error(written);
  return { name, type, nullable: nullable === 'null' };
}
const features = (...texts: string[]) => texts.map(feature);
const base = features('a int64', 'b string null');

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
