import { parseRegionConfig } from '@featuremesh/contracts/region-config';
import { regionId } from '@featuremesh/domain/region-id';
import { generateSigningKey } from '@featuremesh/runtime/signing';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { createLinkKey } from './link-key.ts';
import { movePorts, withPeer, withStore } from './region-document.ts';
import { regionYaml } from './region-scaffold.ts';

const officers = [
  { id: 'ada: officer', publicKey: generateSigningKey().publicKey, roles: ['owner', 'compliance'] as const },
];
const text = regionYaml({
  id: 'eu-west-1',
  jurisdiction: 'EU',
  cloud: 'local',
  location: 'no',
  directory: '/unused',
  portBase: 7_500,
  services: 2,
  officers,
});

function peer(id: string, port: number) {
  return {
    id: regionId(id),
    jurisdiction: 'US',
    cloud: 'local',
    linkUrl: `nats-leaf://127.0.0.1:${port + 3}`,
    publicUrl: `http://127.0.0.1:${port}`,
    publicGatewayUrl: `http://127.0.0.1:${port + 1}`,
    publicKey: generateSigningKey().publicKey,
    linkKey: createLinkKey().publicKey,
  };
}

test('a new region.yaml is valid, and words that YAML reads as something else are kept', () => {
  const config = parseRegionConfig(parse(text));
  expect(config).toMatchObject({
    ok: true,
    value: {
      id: 'eu-west-1',
      location: 'no',
      services: 2,
      officers,
      peers: [],
      nats: { embedded: { leaf: { host: '127.0.0.1', port: 7_503 } } },
    },
  });
});

test('a peer is added without touching comments, and renewed in its place', () => {
  const east = peer('us-east-1', 7_400);
  const west = peer('us-west-2', 7_410);
  const both = withPeer(withPeer(text, east), west);
  for (const comment of text.split('\n').filter(line => line.startsWith('#')))
    expect(both).toContain(comment);
  expect(parse(both)).toMatchObject({ peers: [east, west] });
  const moved = { ...east, publicUrl: 'http://127.0.0.1:9000' };
  expect(parse(withPeer(both, moved))).toMatchObject({ peers: [moved, west] });
  expect(withPeer(both, west)).toBe(both);
});

test('a peer that would make the file invalid is refused', () => {
  expect(() => withPeer(text, { ...peer('eu-west-1', 7_400) })).toThrow('INVALID_CONFIG');
  expect(() => withPeer('id: [', peer('us-east-1', 7_400))).toThrow('INVALID_CONFIG');
});

test('ports move together with the addresses that others are told', () => {
  const moved = movePorts(withPeer(text, peer('us-east-1', 7_400)), 8_100);
  expect(parseRegionConfig(parse(moved))).toMatchObject({
    ok: true,
    value: {
      publicGatewayUrl: 'http://127.0.0.1:8101',
      listen: { http: { port: 8_100 }, gateway: { port: 8_101 }, sync: { port: 8_104 } },
      nats: { embedded: { client: { port: 8_102 }, leaf: { port: 8_103 } } },
      peers: [{ id: 'us-east-1', publicUrl: 'http://127.0.0.1:7400' }],
    },
  });
  expect(movePorts(moved, 8_100)).toBe(moved);
});

test('another store replaces the one that stands there; what is no store is refused', () => {
  const store = {
    type: 'cassandra' as const,
    contactPoints: ['127.0.1.1:9042'],
    localDataCentre: 'dc1',
    fallbackDataCentres: ['dc2'],
    keyspace: 'featuremesh',
  };
  const after = withStore(text, store);
  expect(parseRegionConfig(parse(after))).toMatchObject({ ok: true, value: { store } });
  expect(after).toContain('# Written by `fmesh region add`.');
  expect(withStore(after, store)).toBe(after);
  expect(() => withStore(text, { ...store, contactPoints: [] })).toThrow(/INVALID_CONFIG/);
});
