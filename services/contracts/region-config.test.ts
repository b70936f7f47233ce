import { describe, expect, test } from 'vitest';
import { parseRegionConfig, serviceAddress } from './region-config.ts';

const KEY = `${'A'.repeat(43)}=`;
const base = {
  id: 'us-east-1',
  jurisdiction: 'US',
  cloud: 'local',
  listen: { http: 7410, gateway: '127.0.0.1:7411', sync: '[::1]:7414' },
  publicUrl: 'http://127.0.0.1:7410',
  publicGatewayUrl: 'http://127.0.0.1:7411',
  nats: { embedded: { client: 7412, leaf: 7413 } },
};
const peer = {
  id: 'eu-west-1',
  jurisdiction: 'EU',
  cloud: 'local',
  linkUrl: 'nats-leaf://127.0.0.1:7433',
  publicUrl: 'http://127.0.0.1:7430',
  publicGatewayUrl: 'http://127.0.0.1:7431',
  publicKey: KEY,
  linkKey: `U${'A'.repeat(55)}`,
};
const officer = { id: 'ann', publicKey: KEY, roles: ['compliance'] };

function configOf(value: unknown) {
  const result = parseRegionConfig(value);
  if (!result.ok) throw new Error(JSON.stringify(result.problem));
  return result.value;
}

test('a short file is filled with defaults, addresses are taken apart', () => {
  const config = configOf({ ...base, peers: [peer], officers: [officer] });
  expect(config).toMatchObject({
    listen: {
      http: { host: '127.0.0.1', port: 7410 },
      gateway: { host: '127.0.0.1', port: 7411 },
      sync: { host: '::1', port: 7414 },
    },
    dataDir: 'data',
    services: 1,
    store: { type: 'lmdb' },
    objects: { type: 'filesystem' },
    nats: { feedReplicas: 1 },
    keys: { signing: 'keys/signing.pem', internal: 'keys/internal.token' },
    auth: { type: 'none' },
  });
  expect([0, 1, 2].map(slot => serviceAddress(config, slot).port)).toEqual([7410, 7416, 7417]);
});

test('what was parsed parses again to the same, so that a written file is read as it was', () => {
  const config = configOf({ ...base, peers: [peer], officers: [officer] });
  const text = ({ host, port }: { host: string; port: number }) =>
    host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const written = {
    ...config,
    listen: {
      http: text(config.listen.http),
      gateway: text(config.listen.gateway),
      sync: text(config.listen.sync),
    },
    nats: { ...config.nats, embedded: { client: '127.0.0.1:7412', leaf: '127.0.0.1:7413' } },
  };
  expect(configOf(JSON.parse(JSON.stringify(written)))).toEqual(config);
});

describe('INVALID_CONFIG names the place', () => {
  test.each<[string, object, string]>([
    ['a bad id', { id: 'US East' }, 'id'],
    ['an unknown member', { jurisdction: 'US' }, ''],
    ['a port beyond 65535', { listen: { ...base.listen, http: 70_000 } }, 'listen.http'],
    ['an address without port', { listen: { ...base.listen, sync: 'localhost' } }, 'listen.sync'],
    ['neither embedded nor url', { nats: {} }, 'nats'],
    ['embedded and url', { nats: { ...base.nats, url: 'nats://h:1' } }, 'nats'],
    ['a short public key', { officers: [{ ...officer, publicKey: 'AAAA' }] }, 'officers[0].publicKey'],
    ['an officer without role', { officers: [{ ...officer, roles: [] }] }, 'officers[0].roles'],
    ['one key for two officers', { officers: [officer, { ...officer, id: 'bob' }] }, 'officers[1].publicKey'],
    ['itself as a peer', { peers: [{ ...peer, id: 'us-east-1' }] }, 'peers[0].id'],
    ['a file url as peer', { peers: [{ ...peer, publicUrl: 'file:///x' }] }, 'peers[0].publicUrl'],
    ['an HTTP port beyond loopback', { listen: { ...base.listen, http: '0.0.0.0:7410' } }, 'listen.http'],
    ['all interfaces of IPv6', { listen: { ...base.listen, gateway: '[::]:7411' } }, 'listen.gateway'],
    [
      'a leafnode port beyond loopback',
      { nats: { embedded: { client: 1, leaf: '10.0.0.1:2' } } },
      'nats.embedded.leaf',
    ],
    [
      'a name that only looks local',
      { listen: { ...base.listen, http: '127.0.0.1.example.com:1' } },
      'listen.http',
    ],
    [
      'beyond loopback with TLS alone',
      { listen: { ...base.listen, http: '10.0.0.1:1' }, tls: { certificate: 'c', key: 'k' } },
      'listen.http',
    ],
  ])('%s', (_, change, path) => {
    const result = parseRegionConfig({ ...base, ...change });
    expect(result).toMatchObject({ ok: false, problem: { code: 'INVALID_CONFIG' } });
    if (!result.ok) expect(result.problem.issues?.map(issue => issue.path)).toContain(path);
  });
});

test.each([
  ['objects.type', { objects: { type: 's3', bucket: 'b' } }],
  ['auth.type', { auth: { type: 'jwt', issuer: 'i', audience: 'a', jwksUrl: 'https://h/k' } }],
])('the shape of %s is accepted and refused as not yet supported', (path, change) => {
  expect(parseRegionConfig({ ...base, ...change })).toMatchObject({
    problem: { code: 'NOT_YET_SUPPORTED', issues: [{ path }] },
  });
});

const cassandra = {
  type: 'cassandra',
  contactPoints: ['10.0.0.1:9042'],
  localDataCentre: 'dc1',
  keyspace: 'features',
};

test('a store in Cassandra gets quorum writes in its data centre, and no fallback, unless asked for', () => {
  expect(parseRegionConfig({ ...base, store: cassandra })).toMatchObject({
    ok: true,
    value: {
      store: {
        fallbackDataCentres: [],
        maxTables: 200,
        consistency: { write: 'LOCAL_QUORUM', read: 'LOCAL_ONE', serial: 'LOCAL_SERIAL' },
      },
    },
  });
});

test('a registry in Cassandra takes from the store what it does not say itself, and needs it all beside a store in LMDB', () => {
  const store = { ...cassandra, credentials: { username: 'u', passwordFile: 'f' } };
  expect(configOf({ ...base, store }).registry).toEqual({ type: 'lmdb' });
  const config = configOf({ ...base, store, registry: { type: 'cassandra', keyspace: 'definitions' } });
  expect(config.registry).toEqual({ ...config.store, keyspace: 'definitions' });
  expect(configOf({ ...base, registry: cassandra })).toMatchObject({
    store: { type: 'lmdb' },
    registry: { keyspace: 'features' },
  });
  const result = parseRegionConfig({ ...base, registry: { type: 'cassandra' } });
  expect(result.ok ? [] : result.problem.issues?.map(({ path }) => path)).toEqual([
    'registry.contactPoints',
    'registry.localDataCentre',
    'registry.keyspace',
  ]);
});

test.each([
  ['a password in the file itself', { credentials: { username: 'u', password: 'p' } }, 'store.credentials'],
  ['no password', { credentials: { username: 'u' } }, 'store.credentials'],
  [
    'two places of one password',
    { credentials: { username: 'u', passwordFile: 'f', passwordEnv: 'E' } },
    'store.credentials',
  ],
  ['a consistency that no quorum follows from', { consistency: { write: 'ONE' } }, 'store.consistency.write'],
  ['a keyspace that is no name', { keyspace: 'a; DROP' }, 'store.keyspace'],
  ['nodes on several ports', { contactPoints: ['a:1', 'b:2'] }, 'store.contactPoints'],
])('a store in Cassandra with %s is refused where it stands', (_, change, path) => {
  const result = parseRegionConfig({ ...base, store: { ...cassandra, ...change } });
  expect(result).toMatchObject({ ok: false, problem: { code: 'INVALID_CONFIG' } });
  if (!result.ok) expect(result.problem.issues?.map(issue => issue.path)).toContain(path);
});
