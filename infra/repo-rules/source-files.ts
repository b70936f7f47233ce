import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the repository, absolute, without a trailing slash. */
export const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** One source file of the repository. */
export interface SourceFile {
  /** Path relative to the repository. */
  readonly path: string;
  readonly text: string;
  readonly isTest: boolean;
  /** Folder of its package, for instance `services/domain`. */
  readonly packageFolder: string;
}

/** All TypeScript and JavaScript files that git tracks or would track. */
export function sourceFiles(): SourceFile[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: repositoryRoot,
    encoding: 'utf8',
    maxBuffer: 32 * 1024 * 1024,
  });
  return listed
    .split('\n')
    .filter(path => /\.(ts|js)$/.test(path) && existsSync(join(repositoryRoot, path)))
    .map(path => ({
      path,
      text: readFileSync(join(repositoryRoot, path), 'utf8'),
      isTest: /\.(test|sim|real|bench)\.ts$/.test(path),
      packageFolder: path.startsWith('services/')
        ? path.split('/').slice(0, 2).join('/')
        : (path.split('/')[0] ?? ''),
    }));
}

/** Module specifiers that a file imports, statically or dynamically, with whether only types are taken. */
export function importsOf(text: string): { specifier: string; typeOnly: boolean }[] {
  const pattern =
    /^\s*(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/gm;
  return [...text.matchAll(pattern)].map(match => ({
    specifier: match[2] ?? match[3] ?? '',
    typeOnly: match[1] !== undefined,
  }));
}
