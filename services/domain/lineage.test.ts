import { testGroup, testState } from '@featuremesh/testkit/generators/mesh-states';
import { expect, test } from 'vitest';
import { Catalogue } from './catalogue-lookup.ts';
import type { CatalogueGroup, CatalogueService, FeatureGroupDefinition } from './feature-group.ts';
import { MAX_LINEAGE_NODES } from './limits.ts';
import { LineageGraph } from './lineage.ts';
import { regionId } from './region-id.ts';

const float = { kind: 'scalar', scalar: 'float64' } as const;
const column = (name: string, ...from: string[]) => ({ name, type: float, nullable: true, from });

function group(name: string, more: Partial<FeatureGroupDefinition> = {}): CatalogueGroup {
  const letters = name.replaceAll(/[0-9]/g, digit => 'abcdefghij'[Number(digit)] ?? 'a');
  return testGroup({ name, id: letters.padEnd(16, 'z'), ...more });
}

function service(name: string, reads: readonly CatalogueGroup[], version = 1): CatalogueService {
  return {
    id: name,
    version,
    definition: { name, homeRegion: regionId('us-east-1'), tags: [], features: [] },
    resolved: reads.map(({ id, version: groupVersion, definition }) => ({
      groupId: id,
      groupVersion,
      features: definition.features.map(one => one.name),
      keys: {},
    })),
  };
}

function graph(groups: readonly CatalogueGroup[], services: readonly CatalogueService[] = []): LineageGraph {
  const state = testState({ groups, services });
  return new LineageGraph(state, new Catalogue(state));
}

const raw = group('raw', {
  sources: [{ name: 'bus' }],
  features: [column('clicks', 'bus:clicks'), column('shown')],
});
const ratio = group('ratio', {
  inputs: ['raw', 'us-east-1/other'],
  features: [column('ctr', 'raw:clicks', 'us-east-1/raw:shown')],
});
const other = group('other', { deprecated: { since: '2026-11-30' } });
const model = group('model', { inputs: ['ratio'] });
const all = [raw, ratio, other, model];

test('sources, groups and services, up and down, near ones first', () => {
  const { upstream, downstream } = graph(all, [service('s', [ratio])]).of(ratio);
  expect(upstream.map(({ kind, name, distance, state }) => [kind, name, distance, state])).toEqual([
    ['group', 'us-east-1/other@v1', 1, 'deprecated'],
    ['group', 'us-east-1/raw@v1', 1, 'active'],
    ['source', 'bus', 2, 'active'],
  ]);
  expect(downstream.map(({ kind, name, distance }) => [kind, name, distance])).toEqual([
    ['group', 'us-east-1/model@v1', 1],
    ['service', 'us-east-1/s@v1', 1],
  ]);
  const { upstream: ofService } = graph(all).ofService(service('s', [ratio]));
  expect(ofService.map(({ name, distance }) => `${distance} ${name}`)).toEqual([
    '1 us-east-1/ratio@v1',
    '2 us-east-1/other@v1',
    '2 us-east-1/raw@v1',
    '3 bus',
  ]);
});

test('a column names its origins, and the columns and services that use it', () => {
  expect(graph(all, [service('s', [raw])]).of(raw).columns).toEqual([
    { feature: 'clicks', from: ['bus:clicks'], usedBy: ['service us-east-1/s@v1', 'us-east-1/ratio@v1:ctr'] },
    { feature: 'shown', from: [], usedBy: ['service us-east-1/s@v1', 'us-east-1/ratio@v1:ctr'] },
  ]);
});

test('only the newest version of a service counts, and only the group version that it froze', () => {
  const newer: CatalogueGroup = { ...raw, version: 2, aliases: ['latest'] };
  const of = graph([...all, newer], [service('s', [raw], 1), service('s', [newer], 2)]);
  expect(of.usersOf(newer)).toEqual(['service us-east-1/s@v2']);
  expect(of.usersOf(raw)).toEqual(['us-east-1/ratio@v1']);
  const retired = { ...ratio, definition: { ...ratio.definition, state: 'retired' as const } };
  expect(graph([raw, retired]).usersOf(raw)).toEqual([]);
});

test('a cycle and a very long list end', () => {
  const [a, b] = [group('a', { inputs: ['b'] }), group('b', { inputs: ['a'] })];
  expect(graph([a, b]).of(a)).toMatchObject({ upstream: [{ name: 'us-east-1/b@v1' }], truncated: false });
  const many = Array.from({ length: MAX_LINEAGE_NODES + 5 }, (_, i) => group(`g${i}`, { inputs: ['raw'] }));
  const { downstream, truncated } = graph([raw, ...many]).of(raw);
  expect([downstream.length, truncated]).toEqual([MAX_LINEAGE_NODES, true]);
});
