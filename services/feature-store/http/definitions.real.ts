import { regionId } from '@featuremesh/domain/region-id';
import { definitions, group } from '@featuremesh/testkit/region/test-definitions';
import { TestRegion } from '@featuremesh/testkit/region/test-region';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let region: TestRegion;

beforeEach(async () => {
  region = await TestRegion.start();
});

afterEach(() => region.stop());

const apply = (set: ReturnType<typeof definitions>, more = {}) =>
  region.call('POST', '/v1/admin/definitions', { definitions: set, ...more });
const kinds = (answer: { body: { changes: { kind: string; object: { name: string } }[] } }) =>
  Object.fromEntries(answer.body.changes.map(({ kind, object }) => [object.name, kind]));

describe('apply', () => {
  test('creates with an opaque id, version 1, both aliases and a table; again changes nothing', async () => {
    const first = await apply(definitions([group('delays')]));
    expect(first.status).toBe(200);
    expect(kinds(first)).toEqual({ airport: 'create', delays: 'create' });
    const stored = region.group('delays');
    expect(stored.id).toMatch(/^[a-z2-7]{16}$/);
    expect(stored).toMatchObject({ version: 1, revision: 1, aliases: ['production', 'latest'] });
    expect(region.app.tables.tableFor(stored.id, 1)).toMatchObject({ generation: 1 });
    const again = await apply(definitions([group('delays')]));
    expect(kinds(again)).toEqual({ airport: 'unchanged', delays: 'unchanged' });
    expect(again.body.revision).toBe(first.body.revision);
  });

  test('a nullable feature is a revision that old rows answer with null; a retyped one is a version that starts empty', async () => {
    await apply(definitions([group('delays', { features: { mean: 'float64?' } })]));
    await region.put('delays', [{ key: { airport: 'ATL' }, eventTimeMs: 0, features: { mean: 1.5 } }]);
    const wider = await apply(
      definitions([group('delays', { features: { mean: 'float64?', p90: 'float64?' } })]),
    );
    expect(kinds(wider).delays).toBe('revision');
    await region.put('delays', [{ key: { airport: 'BOS' }, eventTimeMs: 0, features: { mean: 2, p90: 9 } }]);
    const read = (features: string[]) =>
      region.call('POST', '/v1/online/read', { features, keys: { airport: ['ATL', 'BOS'] } });
    const { body } = await read(['delays:mean', 'delays:p90']);
    expect(body.results[0]).toMatchObject({
      columns: [
        [1.5, 2],
        [null, 9],
      ],
      statuses: ['PRESENT', ['NULL_VALUE', 'PRESENT']],
    });
    const retyped = await apply(definitions([group('delays', { features: { mean: 'string?' } })]));
    expect(kinds(retyped).delays).toBe('version');
    expect(region.group('delays', 2)).toMatchObject({
      id: region.group('delays', 1).id,
      revision: 1,
      aliases: ['latest'],
    });
    expect(region.group('delays', 1).aliases).toEqual(['production']);
    expect(retyped.body.changes[1]).toMatchObject({
      changes: [
        { effect: 'version', what: 'feature p90 is removed' },
        { effect: 'version', what: 'feature mean changes from float64 to string' },
      ],
      consequences: expect.arrayContaining([
        'the new version starts empty; `production` stays at v1 until `fmesh promote us-east-1/delays@v2`',
      ]),
    });
    expect((await read(['delays:mean'])).body.results[0]).toMatchObject({ version: 1, columns: [[1.5, 2]] });
    expect((await read(['delays@v2:mean'])).body.results[0]).toMatchObject({
      version: 2,
      statuses: ['NOT_FOUND'],
    });
  });

  test('omission never deletes; retiring is a step that keeps the definition', async () => {
    await apply(definitions([group('delays'), group('other')]));
    await apply(definitions([group('other')]));
    expect(region.group('delays').definition.state).toBe('active');
    const retired = await apply(definitions([group('delays', { state: 'retired' })]));
    expect(retired.body.changes[1]).toMatchObject({
      kind: 'revision',
      consequences: expect.arrayContaining(['no more rows are accepted']),
    });
    expect(region.group('delays').definition.state).toBe('retired');
  });

  test('owner, team and deprecation are of the group: a change reaches every version, and a deprecated one is read on', async () => {
    await apply(definitions([group('delays')]));
    await region.put('delays', [{ key: { airport: 'ATL' }, eventTimeMs: 0, features: { mean: 1.5 } }]);
    await apply(definitions([group('delays', { features: { mean: 'string?' } }), group('arrivals')]));
    const deprecated = { since: '2026-11-30', successor: 'arrivals', reason: 'counted otherwise' };
    const set = definitions([
      group('delays', { features: { mean: 'string?' }, team: 'ops', maxAgeMs: 1e12, deprecated }),
    ]);
    const plan = (await apply(set)).body.changes[1];
    expect(plan.changes.map(({ effect, what }: { effect: string; what: string }) => [effect, what])).toEqual([
      ['data', expect.stringMatching(/^maxAge none → /)],
      ['compatible', 'team none → ops'],
      ['compatible', 'deprecated since 2026-11-30, use arrivals (counted otherwise)'],
    ]);
    const shown = (version: number) => region.call('GET', `/v1/groups/delays@v${version}`);
    expect((await shown(1)).body).toMatchObject({ team: 'ops', deprecated, maxAgeMs: null, revision: 2 });
    expect((await shown(2)).body).toMatchObject({ team: 'ops', deprecated, maxAgeMs: 1e12, revision: 2 });
    const { body } = await region.call('POST', '/v1/online/read', {
      features: ['delays:mean'],
      keys: { airport: ['ATL'] },
    });
    expect(body.results[0]).toMatchObject({ version: 1, columns: [[1.5]], statuses: ['PRESENT'] });
    await apply(definitions([group('delays', { features: { mean: 'string?' }, state: 'retired' })]));
    expect([1, 2].map(version => region.group('delays', version).definition.state)).toEqual([
      'retired',
      'retired',
    ]);
  });

  test('a plan changes nothing and says what policy refuses', async () => {
    const everywhere = ['eu-west-1', 'us-east-1'].map(regionId);
    const set = definitions([group('delays', { sync: { mode: 'active-active', regions: everywhere } })]);
    const plan = await apply(set, { dryRun: true });
    expect(plan.body.perRegion).toEqual([{ region: 'us-east-1', outcome: 'planned' }]);
    expect(plan.body.changes[1].consequences.join(' ')).toContain('policy does not allow eu-west-1');
    expect(region.registry.state().groups).toEqual([]);
    expect(
      (await region.call('POST', '/v1/admin/definitions/plan', { definitions: set })).body.changes,
    ).toHaveLength(2);
    expect(region.registry.state().revision).toBe(plan.body.revision);
  });

  test('a service freezes the versions that it resolved; another resolution is a new version', async () => {
    const service = {
      name: 'model',
      homeRegion: regionId('us-east-1'),
      tags: [],
      features: [{ group: 'delays@latest', features: ['mean'] }],
    };
    const set = (type: string) =>
      definitions([group('delays', { features: { mean: type } })], { services: [service] });
    expect(kinds(await apply(set('float64?'))).model).toBe('create');
    expect(kinds(await apply(set('float64?'))).model).toBe('unchanged');
    expect(kinds(await apply(set('string?'))).model).toBe('version');
    const versions = region.registry
      .state()
      .services.map(({ version, resolved }) => [version, resolved[0]?.groupVersion]);
    expect(versions).toEqual([
      [1, 1],
      [2, 2],
    ]);
    const shown = await region.call('GET', '/v1/services/model@v1');
    expect(shown.body.resolved[0]).toMatchObject({ groupVersion: 1, features: ['mean'] });
  });
});

describe('refusals', () => {
  test('another home is named with its address, and nothing of the set is applied', async () => {
    const answer = await apply(
      definitions([group('delays'), group('theirs', { homeRegion: regionId('eu-west-1') })]),
    );
    expect([answer.status, answer.body.code, answer.body.home, answer.body.publicUrl]).toEqual([
      421,
      'NOT_HOME',
      'eu-west-1',
      'http://eu-west-1.example',
    ]);
    expect(region.registry.state().groups).toEqual([]);
  });

  test('a cycle, an unknown entity and a sync mode of a later milestone are typed errors with paths', async () => {
    const cycle = await apply(definitions([group('a', { inputs: ['b'] }), group('b', { inputs: ['a'] })]));
    expect([cycle.status, cycle.body.code]).toEqual([422, 'DEFINITION_CYCLE']);
    const entity = await apply(definitions([group('a', { entities: ['ghost'] })]));
    expect([entity.status, entity.body.code]).toEqual([422, 'INVALID_DEFINITION']);
    expect(entity.body.issues[0].path).toMatch(/^featureGroups\[0\]/);
    const mode = await apply(
      definitions([group('a', { sync: { mode: 'hub-and-spoke', regions: [regionId('us-east-1')] } })]),
    );
    expect([mode.status, mode.body.code]).toEqual([501, 'NOT_YET_SUPPORTED']);
    expect(region.registry.state().groups).toEqual([]);
  });

  test('a plan that is no longer current is CONCURRENT_CHANGE; of many racing applies each set is whole', async () => {
    const plan = await apply(definitions([group('first')]), { dryRun: true });
    await apply(definitions([group('second')]));
    const late = await apply(definitions([group('first')]), { expectedRevision: plan.body.revision });
    expect([late.status, late.body.code, late.body.retryable]).toEqual([409, 'CONCURRENT_CHANGE', true]);
    const dry = { dryRun: true, expectedRevision: plan.body.revision };
    expect((await apply(definitions([group('first')]), dry)).body.code).toBe('CONCURRENT_CHANGE');
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, i) => apply(definitions([group(`g${i}a`), group(`g${i}b`)]))),
    );
    for (const [i, { status }] of answers.entries()) {
      const names = region.registry.state().groups.map(({ definition }) => definition.name);
      const present = [`g${i}a`, `g${i}b`].filter(name => names.includes(name));
      expect(present.length).toBe(status === 200 ? 2 : 0);
    }
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
  });

  test('later-milestone paths are NOT_YET_SUPPORTED, unknown operations NOT_FOUND', async () => {
    for (const part of ['erasures', 'datasets', 'materialisations/x']) {
      const answer = await region.call('POST', `/v1/admin/${part}`, {});
      expect([answer.status, answer.body.code]).toEqual([501, 'NOT_YET_SUPPORTED']);
    }
    const operation = await region.call('GET', '/v1/operations/nope');
    expect([operation.status, operation.body.code]).toEqual([404, 'NOT_FOUND']);
    const unknown = await region.call('GET', '/v1/groups/us-east-1/nope');
    expect([unknown.status, unknown.body.code]).toEqual([404, 'UNKNOWN_GROUP']);
  });
});
