import { testGroup, testState } from '@featuremesh/testkit/generators/mesh-states';
import { describe, expect, test } from 'vitest';
import { definitionsByHome } from './definition-homes.ts';
import { type DefinitionSet, NOTHING_KNOWN, validateDefinitions } from './definition-rules.ts';
import type {
  EntityDefinition,
  FeatureDefinition,
  FeatureGroupDefinition,
  FeatureServiceDefinition,
  JoinKey,
} from './feature-group.ts';
import { regionId } from './region-id.ts';

const EAST = regionId('us-east-1');
const float = { kind: 'scalar', scalar: 'float64' } as const;
const feature = (name: string): FeatureDefinition => ({ name, type: float, nullable: true });
const key = (name: string): JoinKey => ({ name, type: 'string' });
const regionKey = (name: string): JoinKey => ({ name, type: 'string', role: 'region' });

const entity = (more: Partial<EntityDefinition> = {}): EntityDefinition => ({
  name: 'airport',
  joinKeys: [key('airport')],
  subject: false,
  ...more,
});
const group = (more: Partial<FeatureGroupDefinition> = {}): FeatureGroupDefinition => ({
  name: 'delays',
  homeRegion: EAST,
  entities: ['airport'],
  tags: [],
  inputs: 'external',
  sync: { mode: 'local', regions: [EAST] },
  features: [feature('a')],
  state: 'active',
  ...more,
});
const service = (more: Partial<FeatureServiceDefinition> = {}): FeatureServiceDefinition => ({
  name: 'model',
  homeRegion: EAST,
  tags: [],
  features: [{ group: 'delays', features: ['a'] }],
  ...more,
});

function issues(set: Partial<DefinitionSet>, known = testState({})) {
  const whole = { entities: [entity()], groups: [group()], services: [service()], ...set };
  return validateDefinitions(whole, known).map(({ path, code }) =>
    code === undefined ? path : `${path} ${code}`,
  );
}

test('a whole set is valid', () => {
  expect(issues({})).toEqual([]);
  expect(issues({ groups: [group({ name: 'team.delays' })], services: [] })).toEqual([]);
});

describe('entities', () => {
  test.each<[string, Partial<EntityDefinition>, string]>([
    ['a name with capitals', { name: 'Airport' }, 'entities[0].name'],
    ['a name of 64 letters', { name: 'a'.repeat(64) }, 'entities[0].name'],
    ['no join key', { joinKeys: [] }, 'entities[0].joinKeys'],
    ['one join key twice', { joinKeys: [key('k'), key('k')] }, 'entities[0].joinKeys[1].name'],
    ['a bad join key', { joinKeys: [key('1k')] }, 'entities[0].joinKeys[0].name'],
    ['two region keys', { joinKeys: [regionKey('r'), regionKey('s')] }, 'entities[0].joinKeys'],
    [
      'a numeric region key',
      { joinKeys: [{ ...regionKey('r'), type: 'int64' }] },
      'entities[0].joinKeys[0].type',
    ],
  ])('%s', (_, more, path) => {
    expect(issues({ entities: [entity(more)], groups: [], services: [] })).toEqual([path]);
  });
});

describe('feature groups', () => {
  const many = Array.from({ length: 501 }, (_, i) => feature(`f${i}`));
  test.each<[string, Partial<FeatureGroupDefinition>, string]>([
    ['a bad name', { name: 'a.b.c' }, 'featureGroups[0].name'],
    ['an unknown home', { homeRegion: regionId('mars-1') }, 'featureGroups[0].homeRegion'],
    [
      'an unknown region',
      { sync: { mode: 'local', regions: [EAST, regionId('mars-1')] } },
      'featureGroups[0].sync.regions[1]',
    ],
    ['no region', { sync: { mode: 'local', regions: [] } }, 'featureGroups[0].sync.regions'],
    ['a reserved tag', { tags: ['x', 'policy/pii'] }, 'featureGroups[0].tags[1]'],
    ['retention below max age', { maxAgeMs: 2, retentionMs: 1 }, 'featureGroups[0].retention'],
    ['an unknown entity', { entities: ['plane'] }, 'featureGroups[0].entity'],
    ['no entity', { entities: [] }, 'featureGroups[0].entity'],
    ['no feature', { features: [] }, 'featureGroups[0].features'],
    ['501 features', { features: many }, 'featureGroups[0].features'],
    ['one feature twice', { features: [feature('a'), feature('a')] }, 'featureGroups[0].features[1].name'],
    ['a bad feature name', { features: [feature('A')] }, 'featureGroups[0].features[0].name'],
    [
      'a feature named as a join key',
      { features: [feature('airport')] },
      'featureGroups[0].features[0].name',
    ],
    ['an unknown input', { inputs: ['nothing'] }, 'featureGroups[0].inputs[0]'],
    ['a malformed input', { inputs: ['No Group'] }, 'featureGroups[0].inputs[0]'],
    ['itself as input', { inputs: ['delays'] }, 'featureGroups[0].inputs DEFINITION_CYCLE'],
  ])('%s', (_, more, path) => {
    expect(issues({ groups: [group(more)], services: [] })).toEqual([path]);
  });

  test('two entities with one join key, and two region keys between them', () => {
    const two = [entity(), entity({ name: 'plane' })];
    const groups = [group({ entities: ['airport', 'plane'] })];
    expect(issues({ entities: two, groups, services: [] })).toEqual(['featureGroups[0].entities[1]']);
    const regional = [
      entity({ joinKeys: [regionKey('r')] }),
      entity({ name: 'plane', joinKeys: [regionKey('s')] }),
    ];
    expect(issues({ entities: regional, groups, services: [] })).toEqual(['featureGroups[0].entities']);
  });

  test('entities and inputs may be known already instead of declared', () => {
    const known = testState({
      groups: [testGroup({ name: 'source' })],
      entities: [{ homeRegion: EAST, definition: entity() }],
    });
    expect(issues({ entities: [], groups: [group({ inputs: ['source'] })] }, known)).toEqual([]);
  });

  test('one name twice in one home region', () => {
    expect(issues({ groups: [group(), group()] })).toEqual(['featureGroups[1].name']);
    const elsewhere = group({ homeRegion: regionId('us-west-2'), sync: { mode: 'local', regions: [EAST] } });
    expect(issues({ groups: [group(), elsewhere] })).toEqual([]);
  });
});

describe('cycles of inputs', () => {
  const named = (name: string, ...inputs: string[]) =>
    group({ name, inputs: inputs.length > 0 ? inputs : 'external' });
  const cycles = (groups: FeatureGroupDefinition[], known = testState({})) =>
    validateDefinitions({ entities: [entity()], groups, services: [] }, known).filter(
      ({ code }) => code === 'DEFINITION_CYCLE',
    );

  test('are named, once each, whatever else hangs on them', () => {
    const found = cycles([
      named('x', 'a'),
      named('a', 'b'),
      named('b', 'c', 'd'),
      named('c', 'us-east-1/a'),
      named('d'),
    ]);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ path: 'featureGroups[1].inputs' });
    expect(found[0]?.message).toContain('us-east-1/a → us-east-1/b → us-east-1/c → us-east-1/a');
  });

  test('are found through groups that are known already', () => {
    const known = testState({
      groups: [testGroup({ name: 'old', inputs: ['a'] }), testGroup({ name: 'a', id: 'b'.repeat(16) })],
    });
    expect(cycles([named('a', 'old')], known)[0]?.message).toContain(
      'us-east-1/a → us-east-1/old → us-east-1/a',
    );
  });

  test('do not count where the set breaks them', () => {
    const known = testState({
      groups: [testGroup({ name: 'a', inputs: ['b'] }), testGroup({ name: 'b', id: 'b'.repeat(16) })],
    });
    expect(cycles([named('a'), named('b', 'a')], known)).toEqual([]);
  });

  test('a diamond is none', () => {
    expect(cycles([named('a', 'b', 'c'), named('b', 'd'), named('c', 'd'), named('d')])).toEqual([]);
  });
});

describe('feature services', () => {
  test.each<[string, Partial<FeatureServiceDefinition>, string]>([
    ['a bad name', { name: 'Model' }, 'featureServices[0].name'],
    ['nothing selected', { features: [] }, 'featureServices[0].features'],
    [
      'an unknown group',
      { features: [{ group: 'nothing', features: ['a'] }] },
      'featureServices[0].features[0].group',
    ],
    [
      'an unknown feature',
      { features: [{ group: 'delays', features: ['z'] }] },
      'featureServices[0].features[0].features[0]',
    ],
    [
      'an unknown join key',
      { features: [{ group: 'delays', features: ['a'], keys: { city: 'x' } }] },
      'featureServices[0].features[0].keys.city',
    ],
    [
      'one group twice in one role',
      {
        features: [
          { group: 'delays', features: ['a'] },
          { group: 'delays', features: [] },
        ],
      },
      'featureServices[0].features[1]',
    ],
    [
      'a bad role',
      { features: [{ group: 'delays', as: 'A b', features: [] }] },
      'featureServices[0].features[0].as',
    ],
    ['a reserved tag', { tags: ['policy/x'] }, 'featureServices[0].tags[0]'],
  ])('%s', (_, more, path) => {
    expect(issues({ services: [service(more)] })).toEqual([path]);
  });

  test('one group in two roles is fine', () => {
    const features = [
      { group: 'delays', as: 'from', keys: { airport: 'origin' }, features: [] },
      { group: 'delays', as: 'to', keys: { airport: 'destination' }, features: ['a'] },
    ];
    expect(issues({ services: [service({ features })] })).toEqual([]);
  });
});

test('without a region, regions and references to other homes are not judged, all else is', () => {
  const groups = [group({ homeRegion: regionId('mars-1'), inputs: ['venus-1/atmosphere', 'nothing'] })];
  expect(issues({ groups, services: [] }, NOTHING_KNOWN)).toEqual(['featureGroups[0].inputs[1]']);
});

test('a set is taken apart by home region, with the entities that each needs', () => {
  const west = regionId('us-west-2');
  const parts = definitionsByHome(
    {
      entities: [entity(), entity({ name: 'plane' }), entity({ name: 'unused' })],
      groups: [group(), group({ name: 'p', homeRegion: west, entities: ['plane', 'airport'] })],
      services: [service()],
    },
    EAST,
  );
  const names = [...parts].map(([home, set]) => [
    home,
    ...[set.entities, set.groups, set.services].map(list => list.map(({ name }) => name)),
  ]);
  expect(names).toEqual([
    [EAST, ['airport', 'unused'], ['delays'], ['model']],
    [west, ['airport', 'plane'], ['p'], []],
  ]);
});
