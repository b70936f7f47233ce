import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { neededExports } from './needed-exports.ts';
import { repositoryRoot, sourceFiles } from './source-files.ts';

test('each package exports, by name, exactly the files that other packages import, and they exist', () => {
  for (const [folder, needed] of neededExports(sourceFiles())) {
    const manifest = JSON.parse(readFileSync(join(repositoryRoot, folder, 'package.json'), 'utf8')) as {
      exports: Record<string, string>;
    };
    expect(
      Object.keys(manifest.exports).toSorted(),
      `${folder}: run node infra/repo-rules/write-exports.ts`,
    ).toEqual(needed);
    for (const file of Object.values(manifest.exports)) {
      expect(existsSync(join(repositoryRoot, folder, file)), `${folder} exports ${file}`).toBe(true);
    }
  }
});
