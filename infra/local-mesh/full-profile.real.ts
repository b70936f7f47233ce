import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processesNaming } from '@featuremesh/cli/testing/fmesh-process';
import { afterAll, expect, test } from 'vitest';
import { RunningMesh, refusedStart } from './testing/running-mesh.ts';

const SLOW_MS = 240_000;
/** A path with a space, as users have them. */
const cwd = mkdtempSync(join(tmpdir(), 'fm full '));
const dataDir = join(cwd, '.featuremesh');
const DEFINITIONS = `entities:
  - {name: airport, joinKeys: [{name: airport, type: string}]}
featureGroups:
  - {name: delays, entity: airport, homeRegion: us-east-1, inputs: external, features: [{name: mean, type: float64}]}
`;
let mesh: RunningMesh | undefined;

afterAll(async () => {
  await mesh?.stop();
  rmSync(cwd, { recursive: true, force: true });
});

const running = (): RunningMesh => {
  if (mesh === undefined) throw new Error('no mesh runs');
  return mesh;
};

const read = () =>
  running().post(`${running().url('us-east-1')}/v1/online/read`, {
    features: ['delays:mean'],
    keys: { airport: 'SEA' },
  });

test('a region runs on a cluster of its own, named in region.yaml as an operator would; a row written is read back', {
  timeout: SLOW_MS,
}, async () => {
  mesh = await RunningMesh.start(cwd, ['--profile', 'full', '--regions', '1']);
  expect(mesh.file.profile).toBe('full');
  const parts = Object.keys(mesh.file.regions[0]?.pids ?? {});
  expect(parts).toEqual(expect.arrayContaining(['cassandra-node-1', 'objects', 'service-0', 'gateway']));
  mkdirSync(join(cwd, 'features'));
  writeFileSync(join(cwd, 'features', 'all.yaml'), DEFINITIONS);
  expect((await mesh.fmesh('apply', 'features', '--region', 'us-east-1')).code).toBe(0);
  const rows = [{ key: { airport: 'SEA' }, eventTime: new Date().toISOString(), features: { mean: 4 } }];
  const written = await mesh.post(`${mesh.url('us-east-1')}/v1/groups/delays/rows`, { rows });
  expect(written.body).toMatchObject({ accepted: 1, online: 'APPLIED' });
  expect((await read()).body['results']).toMatchObject([{ columns: [[4]] }]);
  const embedded = join(dataDir, 'regions', 'us-east-1', 'data', 'lmdb', 'online', 'data.mdb');
  expect(existsSync(embedded)).toBe(false);
});

test('a mesh that was made with this profile is not started with another; the launcher killed leaves nothing running', {
  timeout: SLOW_MS,
}, async () => {
  await running().stop('SIGKILL');
  await expect.poll(() => processesNaming(dataDir), { timeout: 60_000, interval: 250 }).toEqual([]);
  const refused = await refusedStart(['--data-dir', dataDir, '--profile', 'embedded']);
  expect(refused.said).toMatch(/INVALID_REQUEST: the mesh in .* has --profile full/);
  expect(processesNaming(dataDir)).toEqual([]);
});
