import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { neededExports } from './needed-exports.ts';
import { repositoryRoot, sourceFiles } from './source-files.ts';

for (const [folder, subpaths] of neededExports(sourceFiles())) {
  const path = join(repositoryRoot, folder, 'package.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  manifest['exports'] = Object.fromEntries(subpaths.map(subpath => [subpath, `${subpath}.ts`]));
  writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`);
}
