import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { laneOf, SIDE_BY_SIDE } from './lanes.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const files = SIDE_BY_SIDE.flatMap(pattern => globSync(pattern, { cwd: root }));

test('every pattern names files, and no file is named twice', () => {
  for (const pattern of SIDE_BY_SIDE)
    expect({ pattern, files: globSync(pattern, { cwd: root }).length }).not.toEqual({ pattern, files: 0 });
  expect(files.length).toBe(new Set(files).size);
});

test('no file that runs beside another starts a mesh or asks for the Cassandra of the test run', () => {
  const shared = /RunningMesh|sharedCluster|startOwnMesh|runKills|runNemesis|region.*'serve'/;
  expect(files.filter(file => shared.test(readFileSync(join(root, file), 'utf8')))).toEqual([]);
});

test('a lane that does not exist is refused', () => {
  expect(laneOf({})).toBeUndefined();
  expect(laneOf({ FEATUREMESH_TEST_LANE: 'alone' })).toBe('alone');
  expect(() => laneOf({ FEATUREMESH_TEST_LANE: 'aside' })).toThrow(/side-by-side, alone, by-profile/);
});
