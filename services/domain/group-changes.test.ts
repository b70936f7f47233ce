import { testGroup } from '@featuremesh/testkit/generators/mesh-states';
import { describe, expect, test } from 'vitest';
import type { FeatureDefinition, FeatureGroupDefinition, JoinKey } from './feature-group.ts';
import { parseFeatureType } from './feature-type.ts';
import { type DefinedGroup, groupChanges, strongestEffect } from './group-changes.ts';
import { regionId } from './region-id.ts';

function feature(text: string): FeatureDefinition {
  const [name = '', written = '', nullable] = text.split(' ');
  const type = parseFeatureType(written);
  if (type === undefined) throw new Error(written);
  return { name, type, nullable: nullable === 'null' };
}
const features = (...texts: string[]) => texts.map(feature);
const [EAST, WEST, EUROPE] = ['us-east-1', 'us-west-2', 'eu-west-1'].map(regionId) as [
  ReturnType<typeof regionId>,
  ReturnType<typeof regionId>,
  ReturnType<typeof regionId>,
];

/** A group with one required and one nullable feature, max age, retention and two regions. */
const base = defined({
  features: features('a int64', 'b string null'),
  maxAgeMs: 3_600_000,
  retentionMs: 86_400_000,
  owner: 'ana@example.com',
  tags: ['demo'],
  sync: { mode: 'active-active', regions: [EAST, WEST] },
});

function defined(
  more: Partial<FeatureGroupDefinition> & { joinKeys?: readonly JoinKey[] },
  subject = false,
): DefinedGroup {
  const { definition, joinKeys } = testGroup(more);
  return { definition, joinKeys, subject };
}

const changed = (more: Partial<FeatureGroupDefinition>, rest: Partial<DefinedGroup> = {}) =>
  groupChanges(base, { ...base, ...rest, definition: { ...base.definition, ...more } });
const having = (...texts: string[]) => ({ features: features(...texts) });
const key = (name: string, type: JoinKey['type'] = 'string'): JoinKey => ({ name, type });

describe('A9: what a change means for rows', () => {
  test.each<[string, Partial<FeatureGroupDefinition>, Partial<DefinedGroup>?]>([
    ['same', {}],
    ['same', having('a int64', 'b string null')],
    ['compatible', having('a int64', 'b string null', 'c float32[4] null')],
    ['compatible', having('c bool null', 'a int64', 'b string null')],
    ['compatible', having('b string null', 'a int64')],
    ['compatible', having('a int64 null', 'b string null')],
    ['compatible', { features: base.definition.features.map(one => ({ ...one, description: 'd' })) }],
    ['version', having('a int64')],
    ['version', having('a int64', 'b string')],
    ['version', having('a int32', 'b string null')],
    ['version', having('a int64[]', 'b string null')],
    ['version', having('a int64', 'b string null', 'c bool')],
    ['version', having('a int64', 'renamed string null')],
    ['version', { entities: ['other'] }],
    ['version', { entities: ['e', 'other'] }],
    ['version', {}, { joinKeys: [key('k', 'int64')] }],
    ['version', {}, { joinKeys: [key('renamed')] }],
    ['version', {}, { joinKeys: [{ ...key('k'), role: 'region' }] }],
    ['compatible', { maxAgeMs: 7_200_000 }],
    ['data', { maxAgeMs: 60_000 }],
    ['compatible', { retentionMs: 172_800_000 }],
    ['data', { retentionMs: 3_600_000 }],
    ['compatible', { sync: { mode: 'active-active', regions: [EAST, WEST, EUROPE] } }],
    ['data', { sync: { mode: 'active-active', regions: [EAST] } }],
    ['data', { sync: { mode: 'local', regions: [EAST, WEST] } }],
    ['data', { inputs: ['other'] }],
    ['data', { state: 'retired' }],
    ['compatible', { owner: 'ben@example.com' }],
    ['compatible', { tags: ['other'] }],
    ['compatible', { team: 'flights' }],
    ['compatible', { deprecated: { since: '2026-11-30', successor: 'other' } }],
    ['compatible', { sources: [{ name: 'bus' }] }],
    ['compatible', { features: base.definition.features.map(one => ({ ...one, from: ['bus:c'] })) }],
    ['compatible', { description: 'a text' }],
    ['compatible', {}, { subject: true }],
  ])('%s: %j %j', (effect, more, rest) => {
    const changes = changed(more, rest);
    expect(strongestEffect(changes)).toBe(effect);
    expect(changes.length > 0).toBe(effect !== 'same');
    for (const { what, follows } of changes) expect(what.length * follows.length).toBeGreaterThan(0);
  });

  test('a value that was not there before is shortened by being set, and never by being left out', () => {
    const { maxAgeMs: _a, retentionMs: _r, ...rest } = base.definition;
    const without = { ...base, definition: rest };
    expect(groupChanges(without, base).map(({ effect }) => effect)).toEqual(['data', 'data']);
    expect(groupChanges(base, without).map(({ effect }) => effect)).toEqual(['compatible', 'compatible']);
  });

  test('every change is named with its values, and what needs a version comes first', () => {
    const changes = changed({
      ...having('v float32[8]', 'a int64', 'b string null', 'w bool'),
      maxAgeMs: 60_000,
      sync: { mode: 'active-active', regions: [EAST] },
      owner: 'ben@example.com',
    });
    expect(changes.map(({ effect, what }) => `${effect}: ${what}`)).toEqual([
      'version: feature v float32[8] is added and not nullable, which older rows cannot have',
      'version: feature w bool is added and not nullable, which older rows cannot have',
      'data: maxAge 1h → 1m',
      'data: sync regions us-west-2 removed',
      'compatible: owner ana@example.com → ben@example.com',
    ]);
    expect(changes[0]?.follows).toContain('starts empty');
  });
});
