import { withStore } from '@featuremesh/cli/region/region-document';
import { regionYaml } from '@featuremesh/cli/region/region-scaffold';
import { parseRegionConfig } from '@featuremesh/contracts/region-config';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { chooseProfile } from './profile.ts';
import { LOCAL_REGIONS } from './region-names.ts';
import { chooseDataCentres, neededMemoryMb, planStores, storePorts, storeSection } from './store-plan.ts';
import { MESH_PORT_SPAN } from './wan-plan.ts';

const regions = LOCAL_REGIONS.map(({ id }) => id);
const plans = planStores({ dataDir: '/data', regions, portBase: 8_000, dataCentres: 2, cores: 2 });

test('no two regions share a port, an address of a node or a folder, and all ports lie in the span of the mesh', () => {
  const ports = storePorts(plans);
  const taken = ports.map(({ host, port }) => `${host}:${port}`);
  expect(new Set(taken).size).toBe(taken.length);
  expect(Math.min(...ports.map(({ port }) => port))).toBeGreaterThanOrEqual(8_290);
  expect(Math.max(...ports.map(({ port }) => port))).toBeLessThan(8_000 + MESH_PORT_SPAN);
  const folders = plans.flatMap(({ cassandra, objects }) => [cassandra.folder, objects.folder]);
  expect(new Set(folders).size).toBe(folders.length);
});

test('a region’s file names its own cluster and its second data centre as the fallback', () => {
  const [first] = plans;
  if (first === undefined) throw new Error('no plan');
  const text = regionYaml({
    ...{ id: 'us-east-1', jurisdiction: 'US', cloud: 'local', location: 'here', directory: '/unused' },
    ...{ portBase: 8_000, services: 1, officers: [] },
  });
  const config = parseRegionConfig(parse(withStore(text, storeSection(first) ?? { type: 'lmdb' })));
  expect(config).toMatchObject({
    ok: true,
    value: {
      store: {
        type: 'cassandra',
        contactPoints: ['127.0.101.1:8290', '127.0.101.2:8290'],
        localDataCentre: 'dc1',
        fallbackDataCentres: ['dc2'],
      },
    },
  });
});

test('memory decides between two data centres, one, and a refusal that says what to do; a cluster that exists keeps its size', () => {
  const two = neededMemoryMb(3, 2);
  const one = neededMemoryMb(3, 1);
  const choose = (availableMb: number, existing?: 1 | 2) =>
    chooseDataCentres({ regions: 3, availableMb, existing });
  expect(choose(two)).toBe(2);
  expect(choose(two - 1)).toBe(1);
  expect(choose(one)).toBe(1);
  expect(() => choose(one - 1)).toThrow(
    new RegExp(`START_FAILED.*needs about ${one} MB.*${one - 1} MB are available.*--regions 1`),
  );
  expect(choose(two, 1)).toBe(1);
  expect(() => choose(two - 1, 2)).toThrow(new RegExp(`needs about ${two} MB`));
});

test('a mesh keeps its profile, and another one is refused with the ways out', () => {
  expect(chooseProfile(undefined, undefined, '/d')).toBe('embedded');
  expect(chooseProfile('full', undefined, '/d')).toBe('full');
  expect(chooseProfile(undefined, 'full', '/d')).toBe('full');
  expect(() => chooseProfile('full', 'embedded', '/d')).toThrow(
    /INVALID_REQUEST: the mesh in \/d has --profile embedded.*--fresh/,
  );
});
