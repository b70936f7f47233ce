import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { importsOf, repositoryRoot, type SourceFile } from './source-files.ts';

/** Package folder → the subpaths (`./row-order`) that files of other packages, or of its own by name, import; sorted. */
export function neededExports(files: readonly SourceFile[]): ReadonlyMap<string, readonly string[]> {
  const folders = new Set(files.map(file => file.packageFolder).filter(folder => folder !== ''));
  const byName = new Map([...folders].map(folder => [packageName(folder), folder]));
  const needed = new Map([...folders].map(folder => [folder, new Set<string>()]));
  for (const file of files) {
    for (const { specifier } of importsOf(file.text)) {
      const match = /^(@featuremesh\/[a-z-]+)(\/.+)$/.exec(specifier);
      const folder = byName.get(match?.[1] ?? '');
      if (folder !== undefined) needed.get(folder)?.add(`.${match?.[2] ?? ''}`);
    }
  }
  return new Map([...needed].map(([folder, subpaths]) => [folder, [...subpaths].toSorted()]));
}

function packageName(folder: string): string {
  const manifest = JSON.parse(readFileSync(join(repositoryRoot, folder, 'package.json'), 'utf8')) as {
    name: string;
  };
  return manifest.name;
}
