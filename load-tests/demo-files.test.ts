import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { checkDefinitions, parseDefinitionFiles } from '@featuremesh/contracts/definition-file';
import { parsePolicyFiles } from '@featuremesh/contracts/policy-file';
import type { SourceFile } from '@featuremesh/contracts/yaml-value';
import { NOTHING_KNOWN } from '@featuremesh/domain/definition-rules';
import { describe, expect, test } from 'vitest';

function yamlFiles(folder: string): SourceFile[] {
  const url = new URL(`${folder}/`, import.meta.url);
  return readdirSync(url)
    .filter(name => name.endsWith('.yaml'))
    .map(file => ({
      name: `${folder}/${file}`,
      text: readFileSync(fileURLToPath(new URL(file, url)), 'utf8'),
    }));
}

describe.each(['flights', 'news-feed'])('the files of %s', workload => {
  test('definitions parse and keep every rule', () => {
    const parsed = parseDefinitionFiles(yamlFiles(`${workload}/features`));
    if (!parsed.ok) expect.fail(JSON.stringify(parsed.problem, null, 1));
    const checked = checkDefinitions(parsed.value, NOTHING_KNOWN);
    expect(checked.ok ? [] : checked.problem.issues).toEqual([]);
    expect(parsed.value.set.groups.length).toBeGreaterThanOrEqual(4);
    expect(parsed.value.set.services.length).toBeGreaterThanOrEqual(2);
  });

  test('policies parse and cover every group that is to travel', () => {
    const parsed = parseDefinitionFiles(yamlFiles(`${workload}/features`));
    const policies = parsePolicyFiles(yamlFiles(`${workload}/policies`));
    if (!policies.ok) expect.fail(JSON.stringify(policies.problem, null, 1));
    if (!parsed.ok) expect.fail('the definitions do not parse');
    const documents = policies.value.map(({ document }) => document);
    for (const group of parsed.value.set.groups) {
      const covering = documents.filter(
        ({ select }) =>
          select.groups.includes(`${group.homeRegion}/${group.name}`) ||
          select.entities.some(entity => group.entities.includes(entity)),
      );
      expect(covering.map(({ name }) => name)).toHaveLength(1);
      for (const region of group.sync.regions) expect(covering[0]?.allowed.regions).toContain(region);
      if (group.sync.mode === 'active-active') expect(covering[0]?.rows).toBe('shared');
    }
  });
});

test('a person never leaves the region of residence in the demo', () => {
  const policies = parsePolicyFiles(yamlFiles('flights/policies'));
  const travellers = policies.ok
    ? policies.value.find(({ document }) => document.select.entities.includes('traveller'))?.document
    : undefined;
  expect(travellers).toMatchObject({ rows: 'origin', egress: 'local-only' });
});
