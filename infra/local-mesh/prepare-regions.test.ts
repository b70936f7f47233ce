import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@featuremesh/runtime/clock';
import { systemRandom } from '@featuremesh/runtime/random';
import { expect, test } from 'vitest';
import { ensureOfficers } from './officers.ts';
import { prepareRegions } from './prepare-regions.ts';
import { LOCAL_REGIONS } from './region-names.ts';

const tools = { clock: systemClock, random: systemRandom };

async function prepare(dataDir: string, count: number, portBase?: number) {
  const { officers } = await ensureOfficers(join(dataDir, 'officers'));
  return await prepareRegions({ dataDir, regions: LOCAL_REGIONS.slice(0, count), portBase, officers, tools });
}

test('regions are written once, know each other in pairs and name the same officers; a later one joins', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'fm mesh '));
  const three = await prepare(dataDir, 3);
  expect(three.map(region => region.config.peers.map(peer => peer.id).toSorted())).toEqual([
    ['eu-west-1', 'us-west-2'],
    ['eu-west-1', 'us-east-1'],
    ['us-east-1', 'us-west-2'],
  ]);
  expect(three.map(region => region.config.officers.map(officer => officer.id))).toEqual(
    Array.from({ length: 3 }, () => ['owner', 'officer-1', 'officer-2']),
  );
  expect(statSync(join(dataDir, 'officers')).mode & 0o077).toBe(0);
  expect(statSync(join(dataDir, 'officers', 'officer-1.pem')).mode & 0o077).toBe(0);
  const texts = three.map(region => readFileSync(region.configPath, 'utf8'));
  const again = await prepare(dataDir, 3);
  expect(again.map(region => readFileSync(region.configPath, 'utf8'))).toEqual(texts);
  const four = await prepare(dataDir, 4);
  expect(four[3]?.config.peers.map(peer => peer.id).toSorted()).toEqual([
    'eu-west-1',
    'us-east-1',
    'us-west-2',
  ]);
  expect(four[0]?.config.peers).toHaveLength(3);
});

test('with another port base the whole mesh moves: own addresses and those that peers were told', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'fm-mesh-'));
  const before = await prepare(dataDir, 2);
  const after = await prepare(dataDir, 2, 8_600);
  expect(after.map(region => region.config.listen.http.port)).toEqual([8_600, 8_610]);
  expect(after[1]?.config.peers[0]).toMatchObject({
    publicUrl: 'http://127.0.0.1:8600',
    linkUrl: 'nats-leaf://127.0.0.1:8603',
    publicKey: before[1]?.config.peers[0]?.publicKey,
  });
  expect((await prepare(dataDir, 2))[0]?.config.listen.http.port).toBe(8_600);
});
