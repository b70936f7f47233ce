import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { STORE_INDEPENDENT } from './store-independent.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const filesOf = (pattern: string): readonly string[] => globSync(pattern, { cwd: root });

test('every pattern names files, and no file is named twice', () => {
  const patterns = Object.keys(STORE_INDEPENDENT);
  expect(patterns.filter(pattern => filesOf(pattern).length === 0)).toEqual([]);
  const files = patterns.flatMap(filesOf);
  expect(files.length).toBe(new Set(files).size);
});

test('nothing that keeps rows by the profile of the tests is left out of the run on the full one', () => {
  const byProfile =
    /testProfile|TestRegion|TestStores|ServiceProcesses|WriteRegion|openTestStore|RunningMesh\.start\(\w+\)/;
  const namesIt =
    /type: lmdb|broker, '', '(embedded|full)'|sharedCluster|profile: 'full'|'--profile', 'full'/;
  const left = Object.keys(STORE_INDEPENDENT)
    .flatMap(filesOf)
    .filter(file => {
      const text = readFileSync(join(root, file), 'utf8');
      return byProfile.test(text) && !namesIt.test(text);
    });
  expect(left).toEqual([]);
});
