import { DISCOVERY_SDL } from '@featuremesh/contracts/discovery-schema';
import { REGION_SDL } from '@featuremesh/contracts/region-schema';
import { expect, test } from 'vitest';
import { composeSupergraph } from './compose.ts';
import { rootFieldsOf } from './root-fields.ts';
import { DISCOVERY, REGION } from './subgraph-names.ts';
import { readSupergraph } from './supergraph-file.ts';

test('the committed supergraph is what the contracts compose to, without errors or hints', () => {
  const composition = composeSupergraph();
  expect(composition).toEqual({ kind: 'composed', sdl: readSupergraph(), hints: [] });
});

test('no root field is owned by the region contract; discovery owns them all', () => {
  expect(rootFieldsOf(REGION, readSupergraph())).toEqual([]);
  expect(rootFieldsOf(DISCOVERY, readSupergraph()).toSorted()).toEqual([
    'Query.featureGroup',
    'Query.featureGroups',
    'Query.featureService',
    'Query.featureServices',
    'Query.online',
    'Query.regions',
  ]);
});

test('the check finds a root field and a mutation that a region contract would add', () => {
  const region = `${REGION_SDL}
    type Query { anything: String }
    type Mutation { register(region: String!): String }`;
  const composition = composeSupergraph({ discovery: DISCOVERY_SDL, region });
  if (composition.kind === 'refused') throw new Error(composition.errors.join('\n'));
  expect(rootFieldsOf(REGION, composition.sdl)).toEqual(['Mutation.register', 'Query.anything']);
});

test('a change of a contract changes the composed supergraph', () => {
  const composition = composeSupergraph({
    discovery: DISCOVERY_SDL,
    region: REGION_SDL.replace('lagMs: Float', 'lagMs: Float\n  anew: Float'),
  });
  expect(composition.kind === 'composed' && composition.sdl).not.toBe(readSupergraph());
});

test('every field that the region owns is nullable, so that one dead region nulls nothing else', () => {
  const owned = [...REGION_SDL.matchAll(/^ {2}(\w+): (\S+)/gm)].filter(
    ([, name = '']) => !['region', 'group', 'read'].includes(name),
  );
  expect(owned.length).toBeGreaterThan(8);
  expect(owned.filter(([, , type = '']) => type.endsWith('!'))).toEqual([]);
});
