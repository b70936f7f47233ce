import { ERRORS } from '@featuremesh/domain/error-catalogue';
import { regionId } from '@featuremesh/domain/region-id';
import { expect, test } from 'vitest';
import { problemFromRegion, safeDetail } from './region-problem.ts';

const EU = regionId('eu-west-1');

test.each([
  'connect ECONNREFUSED 127.0.0.1:7400',
  'see http://region.internal/graphql',
  'nats://broker:4222 is gone',
  'queue full at broker:4222',
  'socket [::1]:7400 closed',
  'localhost does not answer',
  'cannot open /var/lib/featuremesh/data',
  'x'.repeat(400),
])('a detail that could name something inside is replaced by the title: %s', detail => {
  expect(safeDetail('STORE_UNAVAILABLE', detail)).toBe(ERRORS.STORE_UNAVAILABLE.title);
});

test.each([
  'this copy is 1200 ms behind',
  'us-east-1/airport_delays@v2 has no feature mean',
  'join key airport is missing',
])('a plain detail passes: %s', detail => {
  expect(safeDetail('LAG_TOO_HIGH', detail)).toBe(detail);
});

test('only codes of the catalogue and well-formed public candidates pass', () => {
  expect(problemFromRegion({ code: 'NEW_CODE', detail: 'x' }, EU)).toMatchObject({
    code: 'REGION_UNAVAILABLE',
    extra: { region: EU },
  });
  expect(problemFromRegion({ code: 'toString', detail: 'x' }, EU).code).toBe('REGION_UNAVAILABLE');
  const candidates = [{ region: 'eu-west-1', publicGatewayUrl: 'https://gateway.example.com' }];
  const redirect = { code: 'RESIDENCY_REDIRECT', detail: 'elsewhere' };
  expect(problemFromRegion({ ...redirect, candidates }, EU).extra).toEqual({ region: EU, candidates });
  expect(
    problemFromRegion({ ...redirect, candidates: [{ region: 'x', publicGatewayUrl: 'file:///etc' }] }, EU)
      .extra,
  ).toEqual({ region: EU });
});
