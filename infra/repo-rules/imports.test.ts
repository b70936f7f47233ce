import { builtinModules } from 'node:module';
import { expect, test } from 'vitest';
import { importsOf, type SourceFile, sourceFiles } from './source-files.ts';

/** Which packages of this repository a package may import (services/ARCHITECTURE.md). */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'services/domain': [],
  'services/contracts': ['domain'],
  'services/runtime': ['domain', 'contracts'],
  'services/feature-store': ['domain', 'contracts', 'runtime'],
  sync: ['domain', 'contracts', 'runtime'],
  gateway: ['domain', 'contracts', 'runtime'],
  infra: ['domain', 'contracts', 'runtime'],
  'services/cli': ['domain', 'contracts', 'runtime', 'infra'],
  'load-tests': ['domain', 'contracts', 'runtime', 'infra'],
  'services/testkit': ['domain', 'contracts', 'runtime', 'feature-store', 'sync', 'infra'],
};
/** The launchers do what an operator does by hand: they call what `fmesh` calls. */
const LAUNCHERS = { folders: /^infra\/(local-mesh|cassandra)\//, may: 'cli' };
const STORE_CLIENTS = ['cassandra-driver', '@aws-sdk/', '@nats-io/', 'lmdb', '@duckdb/'];
const ELASTIC_LICENSED = [
  '@apollo/gateway',
  '@apollo/composition',
  '@apollo/query-planner',
  '@apollo/federation-internals',
  '@apollo/query-graphs',
];

const product = sourceFiles().filter(file => file.path.endsWith('.ts'));

function offences(
  files: readonly SourceFile[],
  judge: (file: SourceFile, specifier: string) => boolean,
): string[] {
  return files.flatMap(file =>
    importsOf(file.text)
      .filter(({ specifier }) => judge(file, specifier))
      .map(({ specifier }) => `${file.path} imports ${specifier}`),
  );
}

test('packages import only the packages below them; testkit is imported by tests and itself only', () => {
  const wrong = offences(product, (file, specifier) => {
    const name = /^@featuremesh\/([a-z-]+)/.exec(specifier)?.[1];
    if (name === undefined) return false;
    if (file.packageFolder.endsWith(name)) return false;
    if (name === 'testkit') return !file.isTest;
    if (file.isTest) return false;
    if (LAUNCHERS.folders.test(file.path) && name === LAUNCHERS.may) return false;
    return !(ALLOWED[file.packageFolder] ?? []).includes(name);
  });
  expect(wrong).toEqual([]);
});

test('domain imports nothing but its own files', () => {
  const files = product.filter(file => file.packageFolder === 'services/domain' && !file.isTest);
  expect(files.length).toBeGreaterThan(10);
  expect(offences(files, (_, specifier) => !specifier.startsWith('./'))).toEqual([]);
});

test('relative imports stay inside their package and name a file', () => {
  const wrong = offences(product, (file, specifier) => {
    if (!specifier.startsWith('.')) return false;
    const depth = file.path.split('/').length - 1 - file.packageFolder.split('/').length;
    const climbs = specifier.split('/').filter(part => part === '..').length;
    return climbs > depth || !/\.(ts|js|json)$/.test(specifier);
  });
  expect(wrong).toEqual([]);
});

test('clients of stores and brokers are imported only under adapters', () => {
  const wrong = offences(product, (file, specifier) => {
    if (!STORE_CLIENTS.some(client => specifier === client || specifier.startsWith(client))) return false;
    if (specifier === '@nats-io/nkeys') return false; // a key format, not a client
    return !file.path.includes('/adapters/') && !file.isTest;
  });
  expect(wrong).toEqual([]);
});

test('adapters do not import each other; only main.ts and tests import adapters', () => {
  const wrong = offences(product, (file, specifier) => {
    const target = /adapters\/([a-z-]+)\//.exec(specifier)?.[1];
    const own = /\/adapters\/([a-z-]+)\//.exec(file.path)?.[1];
    if (own !== undefined) {
      const sibling = /^\.\.\/([a-z-]+)\//.exec(specifier)?.[1];
      const siblings = ['lmdb', 'jetstream', 'filesystem', 'http', 'cassandra', 's3', 'duckdb'];
      return target !== undefined
        ? target !== own
        : sibling !== undefined && sibling !== own && siblings.includes(sibling);
    }
    return (
      target !== undefined &&
      !file.isTest &&
      !file.path.endsWith('main.ts') &&
      file.packageFolder !== 'services/testkit'
    );
  }).filter(line => !/^(services\/cli|load-tests)\//.test(line));
  expect(wrong).toEqual([]);
});

test('packages under the Elastic licence are imported only by the gateway', () => {
  const wrong = offences(
    product,
    (file, specifier) => ELASTIC_LICENSED.includes(specifier) && file.packageFolder !== 'gateway',
  );
  expect(wrong).toEqual([]);
});

test('the bootstrap needs nothing installed', () => {
  const bootstrap = sourceFiles().filter(
    file => file.path.startsWith('infra/bootstrap/') && file.path.endsWith('.js'),
  );
  expect(bootstrap.length).toBeGreaterThan(2);
  expect(
    offences(
      bootstrap,
      (_, specifier) =>
        !specifier.startsWith('./') &&
        !(specifier.startsWith('node:') && builtinModules.includes(specifier.slice(5))),
    ),
  ).toEqual([]);
});
