import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { regionPorts } from '@featuremesh/cli/region/region-parts';
import { systemClock } from '@featuremesh/runtime/clock';
import { systemRandom } from '@featuremesh/runtime/random';
import { expect, test } from 'vitest';
import { ensureOfficers } from './officers.ts';
import { prepareRegions } from './prepare-regions.ts';
import { LOCAL_REGIONS } from './region-names.ts';
import { MESH_PORT_SPAN, wanConfigOf } from './wan-plan.ts';

const tools = { clock: systemClock, random: systemRandom };

async function prepare(dataDir: string, count: number, portBase?: number, wan: 'demo' | 'off' = 'off') {
  const { officers } = await ensureOfficers(join(dataDir, 'officers'));
  return await prepareRegions({
    dataDir,
    regions: LOCAL_REGIONS.slice(0, count),
    portBase,
    officers,
    wan,
    tools,
  });
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

test('with delays between the regions peers are reached through the proxy, without them directly, on the same folder', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'fm-mesh-'));
  const direct = await prepare(dataDir, 3, 8_600);
  const delayed = await prepare(dataDir, 3, undefined, 'demo');
  const europe = delayed[2]?.config;
  expect(europe?.peers.map(peer => [peer.id, peer.linkUrl, peer.serviceUrl, peer.publicUrl])).toEqual([
    ['us-east-1', 'nats-leaf://127.0.0.1:8707', 'http://127.0.0.1:8708', 'http://127.0.0.1:8600'],
    ['us-west-2', 'nats-leaf://127.0.0.1:8711', 'http://127.0.0.1:8712', 'http://127.0.0.1:8610'],
  ]);
  const four = await prepare(dataDir, 4, undefined, 'demo');
  expect(four[2]?.config.peers.slice(0, 2)).toEqual(europe?.peers);
  const texts = four.map(region => readFileSync(region.configPath, 'utf8'));
  const again = await prepare(dataDir, 4, undefined, 'demo');
  expect(again.map(region => readFileSync(region.configPath, 'utf8'))).toEqual(texts);
  const off = await prepare(dataDir, 3);
  expect(off.map(region => region.config.peers.filter(peer => peer.id !== 'ap-south-1'))).toEqual(
    direct.map(region => region.config.peers),
  );
});

test('every path has a port of its own, and half the round trip of its pair', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'fm-mesh-'));
  const configs = (await prepare(dataDir, 10, 8_000)).map(region => region.config);
  const { control, paths } = wanConfigOf(configs);
  const ports = [control, ...paths.map(path => path.listen)].map(({ port }) => port);
  const own = configs.flatMap(config => regionPorts(config)).map(({ port }) => port);
  expect(paths).toHaveLength(180);
  expect(new Set([...ports, ...own]).size).toBe(ports.length + own.length);
  expect(Math.max(...ports)).toBeLessThan(8_000 + MESH_PORT_SPAN);
  const delayMs = (from: string, to: string) =>
    paths.filter(path => path.from === from && path.to === to).map(path => path.conditions.delayMs);
  expect(delayMs('us-west-2', 'us-east-1')).toEqual([32.5, 32.5]);
  expect(delayMs('us-east-1', 'eu-west-1')).toEqual([37.5, 37.5]);
  expect(delayMs('eu-west-1', 'us-west-2')).toEqual([70, 70]);
  const link = paths.find(path => path.from === 'eu-west-1' && path.to === 'us-east-1');
  expect(link).toMatchObject({ service: 'link', target: { port: 8_003 } });
});
