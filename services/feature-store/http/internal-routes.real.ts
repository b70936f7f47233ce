import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { decodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import { regionId } from '@featuremesh/domain/region-id';
import { testProfile } from '@featuremesh/infra/local-mesh/testing/test-profile';
import { definitions, group, policy, record } from '@featuremesh/testkit/region/test-definitions';
import { INTERNAL_TOKEN, MESH, TestRegion } from '@featuremesh/testkit/region/test-region';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const EVERYWHERE = ['eu-west-1', 'us-east-1', 'us-west-2'].map(regionId);

let home: TestRegion;
let other: TestRegion;

beforeEach(async () => {
  home = await TestRegion.start('us-east-1');
  other = await TestRegion.start('us-west-2');
});

afterEach(async () => {
  await home.stop();
  await other.stop();
});

const internal = (region: TestRegion, method: string, path: string, body?: unknown, token = INTERNAL_TOKEN) =>
  region.call(method, `/internal/v1/${path}`, body, { authorization: `Bearer ${token}` });
const ownEntries = async (region: TestRegion, after = 0): Promise<CatalogueEntry[]> =>
  (await internal(region, 'GET', `own-entries?after=${after}`)).body.entries;
const tell = (region: TestRegion, peer: string, entries: readonly CatalogueEntry[]) =>
  internal(region, 'POST', 'entries', { peer, entries });
const refusals = async (region: TestRegion) => (await region.call('GET', '/v1/admin/refusals')).body.refused;

async function publish(approvers: readonly ('ben' | 'cleo')[] = ['ben', 'cleo']): Promise<void> {
  const delays = group('delays', { sync: { mode: 'active-active', regions: EVERYWHERE } });
  await home.call('POST', '/v1/admin/definitions', { definitions: definitions([delays]) });
  await home.call('POST', '/v1/admin/policies/propose', {
    record: record(policy({ name: 'open' }), approvers),
  });
}

describe('access', () => {
  test.each(['mesh-state', 'own-entries', 'snapshot?group=a&version=1'])('%s needs the token', async path => {
    for (const token of ['', 'wrong', `${INTERNAL_TOKEN}x`]) {
      const answer = await internal(home, 'GET', path, undefined, token);
      expect([answer.status, answer.body.code]).toEqual([401, 'UNAUTHENTICATED']);
    }
    expect((await home.call('GET', `/internal/v1/${path}`)).status).toBe(401);
  });
});

describe('the catalogue between regions', () => {
  test('definitions and an approved policy arrive, and the other region makes its table and may hold rows', async () => {
    await publish();
    const entries = await ownEntries(home);
    expect(entries.map(({ kind }) => kind)).toEqual(['entity', 'group', 'policy']);
    expect((await tell(other, 'us-east-1', entries)).status).toBe(204);
    await other.app.tables.settle();
    const { id } = home.group('delays');
    expect(other.group('delays')).toEqual(home.group('delays'));
    expect(other.app.tables.tableFor(id, 1)).toMatchObject({ generation: 1 });
    const last = entries.at(-1)?.sequence ?? 0;
    expect(await ownEntries(home, last)).toEqual([]);
    const before = other.registry.state();
    await tell(other, 'us-east-1', entries);
    expect(other.registry.state()).toBe(before);
  });

  test('a proposal that is not approved does not travel', async () => {
    await publish([]);
    expect((await ownEntries(home)).map(({ kind }) => kind)).toEqual(['entity', 'group']);
  });

  test('an under-approved, a forged and a foreign policy are refused and listed; the group stays at home', async () => {
    await publish();
    const entries = await ownEntries(home);
    const altered = (change: Partial<ReturnType<typeof record>>): CatalogueEntry[] =>
      entries.map(entry =>
        entry.kind === 'policy' ? { ...entry, policy: { ...entry.policy, ...change } } : entry,
      );
    const one = record(policy({ name: 'open' }), ['ben'], 1);
    await tell(other, 'us-east-1', altered({ signatures: one.signatures }));
    expect(await refusals(other)).toMatchObject([
      { kind: 'policy', code: 'POLICY_NOT_APPROVED', home: 'us-east-1' },
    ]);
    const stolen = record(policy({ name: 'open', version: 9 }), ['ben', 'cleo'], 1);
    await tell(other, 'us-east-1', altered({ signatures: stolen.signatures }));
    expect((await refusals(other)).at(-1)).toMatchObject({ code: 'INVALID_SIGNATURE' });
    const document = policy({ name: 'open', egress: 'proxy' });
    await tell(other, 'us-east-1', altered({ document }));
    expect(other.registry.state().policies).toEqual([]);
    expect(other.app.tables.tables()).toEqual([]);
  });

  test('signatures of people who are officers elsewhere only count for nothing', async () => {
    await publish();
    const entries = (await ownEntries(home)).map(entry => {
      if (entry.kind !== 'policy') return entry;
      const signatures = entry.policy.signatures.map(one => ({
        ...one,
        officer: `${one.officer}-elsewhere`,
      }));
      return { ...entry, policy: { ...entry.policy, signatures } };
    });
    await tell(other, 'us-east-1', entries);
    expect(await refusals(other)).toMatchObject([{ kind: 'policy', code: 'NOT_AN_OFFICER' }]);
    expect(other.registry.state().policies).toEqual([]);
  });

  test('a peer speaks for itself only: entries of another home, or with another home inside, are refused', async () => {
    await publish();
    const entries = await ownEntries(home);
    await tell(other, 'eu-west-1', entries);
    expect((await refusals(other)).map(({ code }: { code: string }) => code)).toEqual([
      'FORBIDDEN',
      'FORBIDDEN',
      'FORBIDDEN',
    ]);
    const relabelled = entries.map(entry => ({ ...entry, home: 'eu-west-1' }));
    await tell(other, 'eu-west-1', relabelled);
    await tell(
      other,
      'mars-1',
      entries.map(entry => ({ ...entry, home: 'mars-1' })),
    );
    expect(other.registry.state().groups).toEqual([]);
    expect(other.registry.state().policies).toEqual([]);
  });

  test('a peer cannot announce another key for itself, nor take a group id that another home drew', async () => {
    const region = { ...home.registry.state().regions.find(({ id }) => id === 'us-east-1') };
    const announcement = {
      kind: 'region',
      home: 'us-east-1',
      sequence: 1,
      region: { ...region, publicKey: MESH['eu-west-1'].key.publicKey },
    };
    await tell(other, 'us-east-1', [announcement as CatalogueEntry]);
    expect(await refusals(other)).toMatchObject([{ kind: 'region', code: 'INVALID_SIGNATURE' }]);
    await publish();
    const entries = await ownEntries(home);
    await tell(other, 'us-east-1', entries);
    const stolen = entries.flatMap(entry => {
      if (entry.kind !== 'group') return [];
      const definition = { ...entry.group.definition, homeRegion: regionId('eu-west-1') };
      return [{ ...entry, home: 'eu-west-1', group: { ...entry.group, definition } }];
    });
    await tell(other, 'eu-west-1', stolen);
    expect((await refusals(other)).at(-1)).toMatchObject({
      kind: 'group',
      code: 'FORBIDDEN',
      home: 'eu-west-1',
    });
    expect(other.registry.state().groups).toHaveLength(1);
  });

  test('a restriction that arrives before the group it restricts is held and counts once the group is known', async () => {
    await publish();
    const narrow = policy({ name: 'narrow', allowed: { regions: [], jurisdictions: ['US'] } });
    const answer = await home.call('POST', '/v1/admin/policies/propose', { record: record(narrow, ['ben']) });
    expect(answer.body).toMatchObject({ policy: { state: 'in-force' }, plan: { change: 'tightening' } });
    const entries = await ownEntries(home);
    const [restriction, rest] = [entries.slice(-1), entries.slice(0, -1)];
    await tell(other, 'us-east-1', restriction);
    expect(other.registry.state().policies).toEqual([]);
    await tell(other, 'us-east-1', rest);
    expect(other.registry.state().policies.map(({ document }) => document.name)).toEqual(['narrow', 'open']);
  });
});

describe('waiting and reports', () => {
  test('a long poll answers at once on news, and with what is known when its time is over', async () => {
    const { revision } = home.registry.state();
    const startedMs = Date.now();
    const idle = await internal(home, 'GET', `mesh-state?after=${revision}&waitMs=300`);
    expect(Date.now() - startedMs).toBeGreaterThanOrEqual(290);
    expect(idle.body.revision).toBe(revision);
    const waiting = internal(home, 'GET', `mesh-state?after=${revision}&waitMs=20000`);
    await publish([]);
    expect((await waiting).body.revision).toBeGreaterThan(revision);
    expect(Date.now() - startedMs).toBeLessThan(10_000);
  });

  test('a poll ends when the process drains; reads go on, changes are refused, the route says draining', async () => {
    await publish([]);
    const { revision } = home.registry.state();
    const waiting = internal(home, 'GET', `mesh-state?after=${revision}&waitMs=20000`);
    await new Promise(resolve => setTimeout(resolve, 50));
    home.drain();
    expect((await waiting).status).toBe(200);
    const route = await home.call('GET', '/health/route');
    expect([route.status, route.body]).toEqual([503, { state: 'draining', weight: 0 }]);
    const change = await home.call('POST', '/v1/admin/definitions', { definitions: definitions([]) });
    expect([change.status, change.body.code]).toEqual([503, 'SHUTTING_DOWN']);
    const read = await home.call('POST', '/v1/online/read', {
      features: ['delays:mean'],
      keys: { airport: 'ATL' },
    });
    expect(read.status).toBe(200);
  });

  test('a policy with a maximal age fails closed here once the home is silent for longer', async () => {
    const delays = group('delays', { sync: { mode: 'active-active', regions: EVERYWHERE } });
    await home.call('POST', '/v1/admin/definitions', { definitions: definitions([delays]) });
    const open = policy({ name: 'open', maxPolicyAgeMs: 60_000 });
    await home.call('POST', '/v1/admin/policies/propose', { record: record(open, ['ben', 'cleo']) });
    await tell(other, 'us-east-1', await ownEntries(home));
    await other.app.tables.settle();
    const read = () =>
      other.call('POST', '/v1/online/read', { features: ['delays:mean'], keys: { airport: 'ATL' } });
    expect((await read()).body.code).toBe('POLICY_STALE');
    const confirm = { home: 'us-east-1', epoch: 1, atMs: other.nowMs() };
    expect((await internal(other, 'POST', 'policy-confirmed', confirm)).status).toBe(204);
    expect((await read()).status).toBe(200);
    other.shiftClock(61_000);
    const stale = await read();
    expect([stale.status, stale.body.code, stale.body.results[0].statuses]).toEqual([
      503,
      'POLICY_STALE',
      ['REFUSED'],
    ]);
  });

  test('links and enforcement show in the status', async () => {
    await publish();
    const link = {
      peer: 'us-west-2',
      direction: 'in',
      connected: true,
      linkEpoch: 'e',
      linkSeq: 3,
      pendingBatches: 0,
      lagMs: 12,
      gaps: 0,
      heldBatches: 0,
      shippedRows: 0,
      importedRows: 5,
      refusedBatches: 0,
    };
    expect((await internal(home, 'POST', 'links', { links: [link] })).status).toBe(204);
    await home.put('delays', [{ key: { airport: 'ATL' }, eventTimeMs: 0, features: { mean: 1 } }]);
    const sync = await home.call('GET', '/v1/admin/sync');
    expect(sync.body.links).toEqual([link]);
    expect(sync.body.groups).toMatchObject([
      { group: 'us-east-1/delays', version: 1, rows: 1, replicated: true, lagMs: 0, placement: EVERYWHERE },
    ]);
    const regions = await home.call('GET', '/v1/admin/regions');
    expect(
      regions.body.regions.map(({ id, health }: { id: string; health: string }) => [id, health]),
    ).toEqual([
      ['eu-west-1', 'unknown'],
      ['us-east-1', 'self'],
      ['us-west-2', 'up'],
    ]);
    home.shiftClock(60_000);
    const later = await home.call('GET', '/v1/admin/sync');
    expect(later.body.links[0]).toMatchObject({ connected: false, lagMs: null });
  });
});

describe('snapshot', () => {
  test('pages hold every winner once, of any origin, deletions too', async () => {
    await publish();
    const rows = Array.from({ length: 25 }, (_, i) => ({
      key: { airport: `K${String(i).padStart(2, '0')}` },
      eventTimeMs: i,
      ...(i === 7 ? { deleted: true } : { features: { mean: i } }),
      origin: i % 2 === 0 ? 'us-east-1' : 'eu-west-1',
    }));
    await home.put('delays', rows);
    const { id } = home.group('delays');
    const keys: string[] = [];
    let after = '';
    for (let page = 0; page < 10; page += 1) {
      const answer = await fetch(`${home.url}/internal/v1/snapshot?group=${id}&version=1&limit=10${after}`, {
        headers: { authorization: `Bearer ${INTERNAL_TOKEN}` },
      });
      const chunk = decodeFeedChunk(new Uint8Array(await answer.arrayBuffer()));
      expect(answer.headers.get('fm-rows')).toBe(String(chunk.length));
      expect(answer.headers.get('fm-watermarks') !== null).toBe(page === 0);
      keys.push(...chunk.map(({ key }) => Buffer.from(key).toString('hex')));
      const next = answer.headers.get('fm-next');
      if (next === null) break;
      after = `&after=${next}`;
    }
    expect(keys).toHaveLength(25);
    // LMDB scans in the order of keys, Cassandra in one of its own.
    expect(testProfile() === 'embedded' ? keys : keys.toSorted()).toEqual([...new Set(keys)].sort());
    const unknown = await internal(home, 'GET', 'snapshot?group=aaaaaaaaaaaaaaaa&version=1');
    expect([unknown.status, unknown.body.code]).toEqual([404, 'UNKNOWN_GROUP']);
  });
});
