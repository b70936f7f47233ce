import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OFFICERS, TestRegion } from '@featuremesh/testkit/region/test-region';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fmesh } from '../testing/fmesh-process.ts';

const SLOW_MS = 60_000;
const folder = mkdtempSync(join(tmpdir(), 'fm-registry-'));
let west: TestRegion;

const by = (officer: keyof typeof OFFICERS) => [
  '--officer',
  officer,
  '--key',
  `${officer}.pem`,
  '--region',
  west.url,
];
const DEFINITIONS = `
entities:
  - {name: airport, joinKeys: [{name: airport, type: string}]}
featureGroups:
  - name: delays
    entity: airport
    homeRegion: us-west-2
    inputs: external
    features: [{name: mean, type: float64, nullable: true}]
`;

async function done(...args: string[]): Promise<string> {
  const result = await fmesh(args, folder);
  expect({ args, ...result }).toMatchObject({ code: 0 });
  return result.out;
}

beforeAll(async () => {
  west = await TestRegion.start('us-west-2');
  for (const [id, { key }] of Object.entries(OFFICERS))
    writeFileSync(join(folder, `${id}.pem`), key.privateKeyPem, { mode: 0o600 });
  mkdirSync(join(folder, 'features'));
  writeFileSync(join(folder, 'features', 'delays.yaml'), DEFINITIONS);
}, SLOW_MS);

afterAll(async () => {
  await west.stop();
  rmSync(folder, { recursive: true, force: true });
});

test(
  'propose, approve and mode; then plan and apply go from the home region to the centre',
  async () => {
    expect(await done('registry', 'mode', '--region', west.url)).toContain('knows of no decision');
    await done('registry', 'propose', 'central:us-east-1', '--reason', 'one team', ...by('ana'));
    const self = await fmesh(['registry', 'approve', ...by('ana')], folder);
    expect([self.code === 0, self.err]).toEqual([false, expect.stringContaining('NOT_AN_OFFICER')]);
    await done('registry', 'approve', ...by('ben'));
    const approved = await done('registry', 'approve', ...by('cleo'));
    expect(approved).toMatch(/1\s+all\s+central: us-east-1\s+in-force\s+2 of 2/);
    // No such host: that it was asked at all is what the home region's answer led to.
    const sent = await fmesh(['plan', '--region', west.url], folder);
    expect(sent.err).toContain('http://us-east-1.example');
    const wrong = await fmesh(['registry', 'propose', 'monarchy', ...by('ana')], folder);
    expect(wrong.err).toContain('federated, or central:REGION');
  },
  SLOW_MS,
);
