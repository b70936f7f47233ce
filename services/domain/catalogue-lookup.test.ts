import { testGroup, testState } from '@featuremesh/testkit/generators/mesh-states';
import { describe, expect, test } from 'vitest';
import { Catalogue } from './catalogue-lookup.ts';
import type { CatalogueService } from './feature-group.ts';
import { formatGroupReference, parseFeatureReference, parseGroupReference } from './group-reference.ts';
import { regionId } from './region-id.ts';

const [EAST, WEST, EU] = ['us-east-1', 'us-west-2', 'eu-west-1'].map(regionId) as [never, never, never];

describe('references', () => {
  test.each([
    ['delays', { name: 'delays' }],
    ['team.delays@v12', { name: 'team.delays', version: 12 }],
    ['us-east-1/delays', { home: 'us-east-1', name: 'delays' }],
    ['us-east-1/delays@latest', { home: 'us-east-1', name: 'delays', alias: 'latest' }],
  ])('%s', (text, expected) => {
    expect(parseGroupReference(text)).toEqual(expected);
    expect(formatGroupReference(expected as never)).toBe(text);
  });

  test.each([
    '',
    'Delays',
    '1a',
    'a@v0',
    'a@v',
    'a@3',
    'a/b/c',
    '/a',
    'a.b.c',
    'US/a',
    'a ',
    `${'a'.repeat(64)}`,
    'a:b',
  ])('%j is none', text => {
    expect(parseGroupReference(text)).toBeUndefined();
  });

  test('of features', () => {
    expect(parseFeatureReference('h/g@v2:f')).toEqual({ home: 'h', name: 'g', version: 2, feature: 'f' });
    for (const text of ['g', 'g:', ':f', 'g:F', 'g:f:f']) expect(parseFeatureReference(text)).toBeUndefined();
  });
});

describe('the catalogue', () => {
  const at = (homeRegion: typeof EAST, name: string, version: number, aliases: string[] = []) => ({
    ...testGroup({ name, homeRegion, version }),
    aliases,
  });
  const groups = [
    at(EAST, 'both', 1, ['production']),
    at(WEST, 'both', 2, ['latest']),
    at(WEST, 'both', 1, ['production']),
    at(WEST, 'west', 1, ['production']),
  ];
  const service = (version: number): CatalogueService => ({
    id: `s${version}`,
    version,
    definition: { name: 's', homeRegion: WEST, tags: [], features: [] },
    resolved: [],
  });
  const catalogue = new Catalogue(testState({ groups, services: [service(2), service(10)] }));
  const found = (ref: string, own = EAST) => {
    const result = catalogue.group(ref, own);
    return result.ok ? `${result.value.definition.homeRegion}@${result.value.version}` : result.problem.code;
  };

  test('a bare name is the own region’s first, then a unique one elsewhere, else ambiguous', () => {
    expect(found('both', EAST)).toBe('us-east-1@1');
    expect(found('both', WEST)).toBe('us-west-2@1');
    expect(found('west', EAST)).toBe('us-west-2@1');
    const ambiguous = catalogue.group('both', EU);
    expect(ambiguous).toMatchObject({
      problem: { code: 'AMBIGUOUS_NAME', extra: { candidates: ['us-east-1/both', 'us-west-2/both'] } },
    });
  });

  test('no version means production; a version or an alias is taken at its word', () => {
    expect(found('us-west-2/both')).toBe('us-west-2@1');
    expect(found('us-west-2/both@latest')).toBe('us-west-2@2');
    expect(found('us-west-2/both@v2')).toBe('us-west-2@2');
    expect(found('us-west-2/both@v3')).toBe('UNKNOWN_VERSION');
    expect(found('us-east-1/west')).toBe('UNKNOWN_GROUP');
    expect(found('nothing')).toBe('UNKNOWN_GROUP');
    expect(found('not a name')).toBe('UNKNOWN_GROUP');
  });

  test('of a service the newest version counts, by number', () => {
    expect(catalogue.service('s')).toMatchObject({ value: { version: 10 } });
    expect(catalogue.service('us-west-2/s@v2')).toMatchObject({ value: { version: 2 } });
    expect(catalogue.service('t')).toMatchObject({ problem: { code: 'UNKNOWN_SERVICE' } });
    expect(catalogue.versions('us-west-2', 'both').map(({ version }) => version)).toEqual([1, 2]);
  });
});
