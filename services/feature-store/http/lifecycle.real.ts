import { regionId } from '@featuremesh/domain/region-id';
import { definitions, group } from '@featuremesh/testkit/region/test-definitions';
import { INTERNAL_TOKEN, TestRegion } from '@featuremesh/testkit/region/test-region';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let region: TestRegion;

beforeEach(async () => {
  region = await TestRegion.start();
});

afterEach(() => region.stop());

const apply = (set: ReturnType<typeof definitions>) =>
  region.call('POST', '/v1/admin/definitions', { definitions: set });
const promote = (more: object) => region.call('POST', '/v1/admin/promotions', more);
const retire = (more: object) => region.call('POST', '/v1/admin/retirements', more);
const read = (features: string, of = region) =>
  of.call('POST', '/v1/online/read', { features: [features], keys: { airport: ['ATL'] } });
const codeOf = async (answer: Promise<{ status: number; body: { code: string } }>) =>
  (await answer).body.code;

/** A group whose version 1 holds 1.5 and whose version 2 holds a text, and a service that froze version 1. */
async function twoVersions(): Promise<void> {
  const services = [
    {
      name: 'model',
      homeRegion: regionId('us-east-1'),
      tags: [],
      features: [{ group: 'delays', features: ['mean'] }],
    },
  ];
  await apply(definitions([group('delays')], { services }));
  await region.put('delays', [{ key: { airport: 'ATL' }, eventTimeMs: 0, features: { mean: 1.5 } }]);
  await apply(definitions([group('delays', { features: { mean: 'string?' } })]));
  await region.put('delays', [{ key: { airport: 'ATL' }, eventTimeMs: 0, features: { mean: 'late' } }], 2);
}

describe('promote', () => {
  test('moves what a bare reference means; a service keeps what it froze until it is applied again', async () => {
    await twoVersions();
    expect((await read('delays:mean')).body.results[0]).toMatchObject({ version: 1, columns: [[1.5]] });
    const planned = await promote({ group: 'delays@v2', dryRun: true });
    expect(planned.body).toMatchObject({
      outcome: 'planned',
      consequences: [
        'reads and writes of us-east-1/delays without a version mean v2 from now on, before v1',
        'service us-east-1/model@v1 keep v1 until they are applied again',
      ],
    });
    expect((await read('delays:mean')).body.results[0]).toMatchObject({ version: 1 });
    const done = await promote({ group: 'delays@v2', by: 'ana' });
    expect(done.body).toMatchObject({
      outcome: 'done',
      versions: [
        { version: 1, aliases: [] },
        { version: 2, aliases: ['production', 'latest'] },
      ],
    });
    expect((await read('delays:mean')).body.results[0]).toMatchObject({ version: 2, columns: [['late']] });
    const service = await region.call('POST', '/v1/online/read', {
      service: 'model',
      keys: { airport: ['ATL'] },
    });
    expect(service.body.results[0]).toMatchObject({ version: 1, columns: [[1.5]] });
    const { records } = (await region.call('GET', '/v1/admin/audit')).body;
    expect(records.at(-1)).toMatchObject({
      actor: 'ana (not verified)',
      what: 'promote us-east-1/delays: production v1 → v2',
      revision: done.body.revision,
    });
    expect((await promote({ group: 'delays@latest' })).body).toMatchObject({
      outcome: 'unchanged',
      revision: done.body.revision,
    });
    expect((await promote({ group: 'delays@v1' })).body.versions[0].aliases).toEqual(['production']);
    expect((await read('delays:mean')).body.results[0]).toMatchObject({ version: 1, columns: [[1.5]] });
  });

  test('an unknown or retired version, a bare name, another alias and another home are refused; nothing moves', async () => {
    await twoVersions();
    await retire({ group: 'delays@v2' });
    const { revision } = region.registry.state();
    expect(await codeOf(promote({ group: 'delays@v2' }))).toBe('GROUP_RETIRED');
    expect(await codeOf(promote({ group: 'delays@v3' }))).toBe('UNKNOWN_VERSION');
    expect(await codeOf(promote({ group: 'ghost@v1' }))).toBe('UNKNOWN_GROUP');
    expect(await codeOf(promote({ group: 'delays' }))).toBe('INVALID_REQUEST');
    expect(await codeOf(promote({ group: 'delays@v1', alias: 'latest' }))).toBe('INVALID_REQUEST');
    expect(region.registry.state().revision).toBe(revision);
  });

  test('is a compare-and-set: on the registry, on the version that the alias points at, and between racing ones', async () => {
    await twoVersions();
    const { revision } = region.registry.state();
    await apply(definitions([group('other')]));
    expect(await codeOf(promote({ group: 'delays@v2', expectedRevision: revision }))).toBe(
      'CONCURRENT_CHANGE',
    );
    expect(await codeOf(promote({ group: 'delays@v2', expectedVersion: 2 }))).toBe('CONCURRENT_CHANGE');
    const expectedRevision = region.registry.state().revision;
    const racing = await Promise.all(
      [2, 2, 2].map(version => promote({ group: `delays@v${version}`, expectedRevision })),
    );
    expect(racing.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    const production = region.registry
      .state()
      .groups.filter(({ aliases }) => aliases.includes('production') && aliases.includes('latest'));
    expect(production.map(({ definition }) => definition.name).sort()).toEqual(['delays', 'other']);
  });

  test('travels with the catalogue: another region resolves by it, whichever of the two entries comes first', async () => {
    const west = await TestRegion.start('us-west-2');
    try {
      const headers = { authorization: `Bearer ${INTERNAL_TOKEN}` };
      const own = async () =>
        (await region.call('GET', '/internal/v1/own-entries?after=0', undefined, headers)).body.entries;
      const tell = (entries: unknown) =>
        west.call('POST', '/internal/v1/entries', { peer: 'us-east-1', entries }, headers);
      const resolved = async () => (await west.call('GET', '/v1/groups/us-east-1/delays')).body.version;
      await twoVersions();
      await tell(await own());
      expect(await resolved()).toBe(1);
      await promote({ group: 'delays@v2' });
      const moved = (await own()).slice(-2);
      for (const entry of moved) {
        await tell([entry]);
        expect([1, 2]).toContain(await resolved());
      }
      expect(await resolved()).toBe(2);
      const there = await west.call('POST', '/v1/admin/promotions', { group: 'us-east-1/delays@v1' });
      expect([there.body.code, there.body.home]).toEqual(['NOT_HOME', 'us-east-1']);
    } finally {
      await west.stop();
    }
  });
});

describe('retire', () => {
  test('what is used, or is production beside others, is refused by name; with consent, or unused, it is closed', async () => {
    await twoVersions();
    const used = await retire({ group: 'delays' });
    expect([used.status, used.body.code, used.body.usedBy]).toEqual([
      409,
      'STILL_USED',
      ['service us-east-1/model@v1'],
    ]);
    expect(await codeOf(retire({ group: 'delays@v1', evenIfUsed: true }))).toBe('STILL_USED');
    await promote({ group: 'delays@v2' });
    const old = await retire({ group: 'delays@v1', evenIfUsed: true });
    expect(old.body.consequences).toEqual([
      'no more rows of v1 are accepted or read; those that are there stay',
      'service us-east-1/model@v1 answer GROUP_RETIRED for it',
    ]);
    expect((await read('delays:mean')).body.results[0]).toMatchObject({ version: 2, columns: [['late']] });
    expect(await codeOf(read('delays@v1:mean'))).toBe('GROUP_RETIRED');
    expect((await retire({ group: 'delays' })).body).toMatchObject({
      outcome: 'done',
      versions: [{ state: 'retired' }, { state: 'retired' }],
    });
    expect(await codeOf(read('delays:mean'))).toBe('GROUP_RETIRED');
    expect((await retire({ group: 'delays' })).body.outcome).toBe('unchanged');
  });

  test('a purge says what it deletes, then the tables are gone; the name goes on as a new version, which starts empty', async () => {
    await apply(definitions([group('delays')]));
    const rows = [{ key: { airport: 'ATL' }, eventTimeMs: 0, features: { mean: 1.5 } }];
    await region.put('delays', rows);
    const before = await region.store.listTables();
    const planned = await retire({ group: 'delays', purge: true, dryRun: true });
    expect(planned.body.consequences).toEqual([
      'no more rows of v1 are accepted or read',
      'the rows of v1 are deleted in every region that holds them, in each as soon as it hears of it, for good: the name goes on as a new version',
    ]);
    expect([before.length, await region.store.listTables()]).toEqual([1, before]);
    await retire({ group: 'delays' });
    expect((await retire({ group: 'delays', purge: true })).body).toMatchObject({
      outcome: 'done',
      versions: [{ version: 1, state: 'purged' }],
    });
    expect(await region.store.listTables()).toEqual([]);
    expect(await codeOf(read('delays:mean'))).toBe('GROUP_RETIRED');
    expect((await region.call('GET', '/v1/groups/delays')).body).toMatchObject({
      state: 'purged',
      versions: [{ version: 1, state: 'purged' }],
    });
    const at = expect.stringMatching(/^20.*Z$/);
    expect((await region.call('GET', '/v1/admin/sync')).body.groups).toMatchObject([
      { version: 1, rows: null, purge: { rows: 'deleted', at } },
    ]);
    expect((await retire({ group: 'delays', purge: true })).body.outcome).toBe('unchanged');
    const { body } = await apply(definitions([group('delays')]));
    expect(body.changes[1]).toMatchObject({ kind: 'version', object: { version: 2 } });
    expect(await codeOf(read('delays@v1:mean'))).toBe('GROUP_RETIRED');
    const empty = (await read('delays@v2:mean')).body.results[0];
    expect(empty).toMatchObject({ version: 2, statuses: ['NOT_FOUND'] });
  });

  test('a file that says active reopens it, and its plan says so', async () => {
    await apply(definitions([group('delays')]));
    await region.put('delays', [{ key: { airport: 'ATL' }, eventTimeMs: 0, features: { mean: 1.5 } }]);
    await retire({ group: 'delays' });
    const { body } = await apply(definitions([group('delays')]));
    expect(body.changes[1].changes).toEqual([
      {
        effect: 'compatible',
        what: 'the group is active again',
        follows: 'rows are accepted and read again',
      },
    ]);
    expect((await read('delays:mean')).body.results[0]).toMatchObject({ columns: [[1.5]] });
  });
});

test('lineage: sources, groups and services, and single columns, up and down the stream', async () => {
  const mean = (from: string) => ({ ...group('x').features[0], name: 'mean', from: [from] });
  const raw = group('raw', { sources: [{ name: 'bus' }] });
  const derived = group('derived', { inputs: ['raw'] });
  const services = [
    {
      name: 'model',
      homeRegion: regionId('us-east-1'),
      tags: [],
      features: [{ group: 'derived', features: [] }],
    },
  ];
  const set = definitions(
    [
      { ...raw, features: [mean('bus:delay')] },
      { ...derived, features: [mean('raw:mean')] },
    ] as (typeof raw)[],
    { services },
  );
  expect((await apply(set)).status).toBe(200);
  const { lineage } = (await region.call('GET', '/v1/groups/raw')).body;
  expect(lineage).toEqual({
    upstream: [{ kind: 'source', name: 'bus', distance: 1, state: 'active' }],
    downstream: [
      { kind: 'group', name: 'us-east-1/derived@v1', distance: 1, state: 'active' },
      { kind: 'service', name: 'us-east-1/model@v1', distance: 2, state: 'active' },
    ],
    columns: [{ feature: 'mean', from: ['bus:delay'], usedBy: ['us-east-1/derived@v1:mean'] }],
    truncated: false,
  });
  const service = (await region.call('GET', '/v1/services/model')).body;
  expect(service.lineage.upstream.map(({ name }: { name: string }) => name)).toEqual([
    'us-east-1/derived@v1',
    'us-east-1/raw@v1',
    'bus',
  ]);
});

test('listings are searched by text, tag, owner, team, entity, region and home, and come in bounded pages', async () => {
  await apply(
    definitions(
      [
        group('arrivals', { tags: ['demo'], owner: 'ana@example.com', description: 'Late landings' }),
        group('delays', { team: 'ops', sources: [{ name: 'tower', description: 'Radio log' }] }),
        group('weather', { entities: ['city'], features: { landing_gusts: 'float64?' } }),
      ],
      {
        entities: {
          airport: [{ name: 'airport', type: 'string' }],
          city: [{ name: 'city', type: 'string' }],
        },
      },
    ),
  );
  const list = async (query: string) => (await region.call('GET', `/v1/groups?${query}`)).body;
  const names = async (query: string) => (await list(query)).groups.map(({ name }: { name: string }) => name);
  for (const [query, found] of [
    ['text=LANDING', ['arrivals', 'weather']],
    ['text=radio', ['delays']],
    ['tag=demo', ['arrivals']],
    ['owner=ana%40example.com', ['arrivals']],
    ['team=ops', ['delays']],
    ['entity=city', ['weather']],
    ['region=us-east-1&text=delays', ['delays']],
    ['region=eu-west-1', []],
    ['home=us-east-1', ['arrivals', 'delays', 'weather']],
    ['home=eu-west-1', []],
  ] as const) {
    expect({ query, found: await names(query) }).toEqual({ query, found });
  }
  await apply(definitions([group('delays', { team: 'ops', features: { mean: 'string?' } })]));
  const pages: string[] = [];
  for (let next: string | null = ''; next !== null; ) {
    const page: { groups: { name: string; version: number }[]; total: number; next: string | null } =
      await list(`first=1${next === '' ? '' : `&after=${next}`}`);
    expect([page.groups.length, page.total]).toEqual([1, 4]);
    pages.push(...page.groups.map(({ name, version }) => `${name}@v${version}`));
    next = page.next;
  }
  expect(pages).toEqual(['arrivals@v1', 'delays@v1', 'delays@v2', 'weather@v1']);
  for (const wrong of ['first=0', 'first=1001', 'after=nonsense', 'colour=red'])
    expect((await list(wrong)).code).toBe('INVALID_REQUEST');
});
