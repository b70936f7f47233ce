import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { SourceFile } from '@featuremesh/contracts/yaml-value';
import { ProblemError, problem } from '@featuremesh/domain/problem';

/** Files of one command: far above what a repository of definitions holds. */
const MAX_FILES = 2_000;
const YAML = /\.ya?ml$/;

/** Reads YAML files and folders (one level and below, sorted), with paths as a person would type them from `cwd`. */
export function readYamlFiles(paths: readonly string[], cwd: string): readonly SourceFile[] {
  const files = paths.flatMap(path => yamlFilesOf(resolve(cwd, path), path));
  if (files.length === 0) {
    throw new ProblemError(problem('INVALID_REQUEST', `no YAML file in ${paths.join(', ')}`));
  }
  if (files.length > MAX_FILES) {
    throw new ProblemError(problem('INVALID_REQUEST', `${files.length} files; at most ${MAX_FILES} at once`));
  }
  return [...new Set(files)].map(file => ({ name: shortPath(file, cwd), text: readFileSync(file, 'utf8') }));
}

function yamlFilesOf(path: string, asGiven: string): readonly string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path, { recursive: true, encoding: 'utf8' })
      .filter(name => YAML.test(name))
      .toSorted()
      .map(name => join(path, name));
  } catch (error) {
    throw new ProblemError(problem('INVALID_REQUEST', `${asGiven} cannot be read`), { cause: error });
  }
}

function shortPath(file: string, cwd: string): string {
  const short = relative(cwd, file);
  return short.startsWith('..') ? file : short;
}
