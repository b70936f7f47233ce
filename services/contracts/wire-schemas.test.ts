import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { meshStates } from '@featuremesh/testkit/generators/mesh-states';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { catalogueEntrySchema } from './catalogue-entry.ts';
import { closestName } from './closest-name.ts';
import { parseOnlineReadRequest } from './http-read.ts';
import { meshStateQuerySchema, snapshotQuerySchema } from './internal-api.ts';
import { meshStateSchema } from './mesh-state.ts';

test('any mesh state and its entries survive JSON and the schema unchanged', () => {
  fc.assert(
    fc.property(meshStates, state => {
      expect(meshStateSchema.parse(JSON.parse(JSON.stringify(state)))).toEqual(state);
      const group = state.groups[0];
      if (group === undefined) throw new Error('generated states hold a group');
      const entry: CatalogueEntry = { kind: 'group', home: 'us-east-1', sequence: 1, group };
      expect(catalogueEntrySchema.parse(JSON.parse(JSON.stringify(entry)))).toEqual(entry);
    }),
    { numRuns: 50 },
  );
});

test('what a peer tells is refused where a member is unknown or an id malformed', () => {
  const [state] = fc.sample(meshStates, { numRuns: 1, seed: 1 });
  expect(meshStateSchema.safeParse({ ...state, extra: 1 }).success).toBe(false);
  expect(meshStateSchema.safeParse({ ...state, region: 'no/region' }).success).toBe(false);
});

describe('a read request', () => {
  test('is parsed, nulls count as left out', () => {
    const request = {
      service: 's',
      features: null,
      keys: { k: [1, '2'] },
      consistency: { after: 'p' },
      maxAgeMs: null,
    };
    expect(parseOnlineReadRequest(request)).toEqual({
      ok: true,
      value: { service: 's', keys: { k: [1, '2'] }, consistency: { after: 'p' } },
    });
  });

  test.each([
    ['keys', { service: 's' }],
    ['keys', { keys: [1] }],
    ['features[0]', { keys: {}, features: [1] }],
    ['maxAgeMs', { keys: {}, maxAgeMs: -1 }],
    ['maxLagMs', { keys: {}, maxLagMs: 1.5 }],
    ['consistency', { keys: {}, consistency: 'eventually' }],
    ['vectorsAs', { keys: {}, vectorsAs: 'hex' }],
    ['', { keys: {}, feature: ['g:f'] }],
    ['', 'text'],
  ])('INVALID_REQUEST at %j', (path, request) => {
    const result = parseOnlineReadRequest(request);
    expect(result).toMatchObject({ problem: { code: 'INVALID_REQUEST' } });
    if (!result.ok) expect(result.problem.issues?.map(issue => issue.path)).toContain(path);
  });
});

test('queries of the internal API are numbers in text, within bounds', () => {
  expect(meshStateQuerySchema.parse({ after: '7', waitMs: '1000' })).toEqual({ after: 7, waitMs: 1_000 });
  expect(meshStateQuerySchema.safeParse({ waitMs: '60000' }).success).toBe(false);
  expect(snapshotQuerySchema.safeParse({ group: 'g', version: '1', limit: '513' }).success).toBe(false);
});

test('the nearest known name is suggested, and none where nothing is near', () => {
  expect(closestName('homeregion', ['home', 'homeRegion'])).toBe('homeRegion');
  expect(closestName('nme', ['name', 'type'])).toBe('name');
  expect(closestName('colour', ['name', 'type'])).toBeUndefined();
});
