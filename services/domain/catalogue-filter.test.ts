import { testGroup } from '@featuremesh/testkit/generators/mesh-states';
import { expect, test } from 'vitest';
import { type CatalogueFilter, groupFits, serviceFits } from './catalogue-filter.ts';
import type { CatalogueService } from './feature-group.ts';
import { regionId } from './region-id.ts';

const group = testGroup({
  name: 'delays',
  description: 'Late departures',
  owner: 'ana@example.com',
  team: 'Flights',
  tags: ['demo'],
  sources: [{ name: 'tower', description: 'Radio log' }],
});
const service: CatalogueService = {
  id: 's',
  version: 1,
  definition: { name: 'model', homeRegion: regionId('us-east-1'), team: 'Flights', tags: [], features: [] },
  resolved: [],
};
const fits = (filter: CatalogueFilter) => groupFits(group, filter, () => ['us-east-1', 'eu-west-1']);

test.each<[CatalogueFilter, boolean]>([
  [{}, true],
  [{ homeRegion: null, owner: null, text: null, region: null }, true],
  [{ text: 'RADIO' }, true],
  [{ text: 'flights' }, true],
  [{ text: 'weather' }, false],
  [{ team: 'Flights' }, true],
  [{ team: 'flights' }, false],
  [{ tag: 'demo', owner: 'ana@example.com' }, true],
  [{ tag: 'demo', owner: 'ben@example.com' }, false],
  [{ entity: 'e' }, true],
  [{ entity: 'other' }, false],
  [{ region: 'eu-west-1' }, true],
  [{ region: 'us-west-2' }, false],
  [{ nameContains: 'LAY', homeRegion: 'us-east-1' }, true],
  [{ name: 'delay' }, false],
])('%j: %s', (filter, expected) => {
  expect(fits(filter)).toBe(expected);
});

test('where rows lie is not asked unless a region is named', () => {
  const asked = (): never => {
    throw new Error('asked');
  };
  expect(groupFits(group, { team: 'Flights' }, asked)).toBe(true);
  expect(groupFits(group, { team: 'other', region: 'us-east-1' }, asked)).toBe(false);
});

test('a service has neither entity nor rows, so such filters leave it out', () => {
  expect(serviceFits(service, { team: 'Flights', text: 'model' })).toBe(true);
  expect(serviceFits(service, { entity: 'e' })).toBe(false);
  expect(serviceFits(service, { region: 'us-east-1' })).toBe(false);
});
