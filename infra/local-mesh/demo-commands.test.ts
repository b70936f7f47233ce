import { join } from 'node:path';
import { readYamlFiles } from '@featuremesh/cli/definitions/yaml-files';
import { installationRoot } from '@featuremesh/cli/target/data-folder';
import { parseDefinitionFiles } from '@featuremesh/contracts/definition-file';
import { regionId } from '@featuremesh/domain/region-id';
import { expect, test } from 'vitest';
import { demoCommands } from './demo-commands.ts';

const region = (id: string, port: number) => ({
  id,
  url: `http://127.0.0.1:${port}`,
  gatewayUrl: `http://127.0.0.1:${port + 1}`,
  graphqlUrl: `http://127.0.0.1:${port + 1}/graphql`,
  metricsUrl: `http://127.0.0.1:${port}/metrics`,
  pids: {},
  dataDir: '/x',
});
const mesh = {
  version: 1 as const,
  profile: 'embedded',
  startedAt: '2026-01-01T00:00:00Z',
  regions: [region('us-east-1', 7_400), region('us-west-2', 7_410), region('eu-west-1', 7_420)],
};

test('the commands name only features and services that the demo defines', () => {
  const files = readYamlFiles(
    [join(installationRoot, 'load-tests', 'flights', 'features')],
    installationRoot,
  );
  const parsed = parseDefinitionFiles(files, { defaultHome: regionId('us-east-1') });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problem));
  const known = new Set(
    parsed.value.set.groups.flatMap(group => group.features.map(feature => `${group.name}:${feature.name}`)),
  );
  const references = demoCommands(mesh, { dataDir: undefined }).flatMap(one =>
    [...one.command.matchAll(/\b[a-z]+_[a-z_]+:[a-z_0-9]+/g)].map(match => match[0]),
  );
  expect(references.length).toBeGreaterThanOrEqual(5);
  expect(references.filter(text => !known.has(text))).toEqual([]);
  const services = demoCommands(mesh, { dataDir: undefined }).flatMap(one =>
    [...one.command.matchAll(/service: \\"([a-z_]+)/g)].map(match => match[1]),
  );
  expect(services).toEqual(['delay_model']);
  expect(parsed.value.set.services.map(service => service.name)).toContain('delay_model');
});

test('another data folder is named in commands of the CLI, quoted for the shell', () => {
  const delayed = { ...mesh, wan: { controlUrl: 'http://127.0.0.1:7500' } };
  const texts = demoCommands(delayed, { dataDir: "/a b/it's" }).map(one => one.command);
  const cli = texts.filter(text => /^np[xm] /.test(text));
  expect(cli).toHaveLength(4);
  expect(demoCommands(mesh, { dataDir: undefined }).some(one => one.command.startsWith('npm'))).toBe(false);
  for (const text of cli) expect(text).toContain(`--data-dir '/a b/it'\\''s'`);
});
