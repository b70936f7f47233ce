import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { importsOf, repositoryRoot, sourceFiles } from './source-files.ts';

const TOP_LEVEL = [
  '.ci',
  '.gitignore',
  '.npmrc',
  'LICENSE',
  'README.md',
  'biome.json',
  'gateway',
  'infra',
  'load-tests',
  'package-lock.json',
  'package.json',
  'services',
  'sync',
  'tsconfig.json',
];

test('the top level holds only what the house lists', () => {
  const tracked = execFileSync('git', ['ls-files'], {
    cwd: repositoryRoot,
    encoding: 'utf8',
    maxBuffer: 32 * 1024 * 1024,
  });
  const names = new Set(
    tracked
      .trim()
      .split('\n')
      .map(path => path.split('/')[0] ?? ''),
  );
  expect([...names].filter(name => !TOP_LEVEL.includes(name))).toEqual([]);
});

test('continuous integration runs the test command of the README', () => {
  expect(readFileSync(join(repositoryRoot, '.ci/run'), 'utf8')).toContain('npm test');
});

test('every package declares what it imports', () => {
  const missing = new Set<string>();
  const root = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  for (const file of sourceFiles().filter(
    candidate => candidate.path.endsWith('.ts') && candidate.packageFolder !== '',
  )) {
    const manifest = JSON.parse(
      readFileSync(join(repositoryRoot, file.packageFolder, 'package.json'), 'utf8'),
    ) as {
      name: string;
      dependencies?: Record<string, string>;
      devDependencies?: Record<string, string>;
    };
    for (const { specifier } of importsOf(file.text)) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue;
      const name = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      const declared =
        name === manifest.name ||
        name in (manifest.dependencies ?? {}) ||
        (file.isTest && name in (manifest.devDependencies ?? {})) ||
        (file.isTest && name.startsWith('@featuremesh/'));
      if (!declared && !(name in root.devDependencies))
        missing.add(`${manifest.name} imports ${name} (${file.path})`);
    }
  }
  expect([...missing]).toEqual([]);
});

test('the lock file names no registry', () => {
  expect(readFileSync(join(repositoryRoot, 'package-lock.json'), 'utf8')).not.toMatch(/"resolved": "https?:/);
});
