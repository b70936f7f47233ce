import { regionId } from '@featuremesh/domain/region-id';
import { definitions, group, policy, record, signature } from '@featuremesh/testkit/region/test-definitions';
import { TestRegion } from '@featuremesh/testkit/region/test-region';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const EVERYWHERE = ['eu-west-1', 'us-east-1', 'us-west-2'].map(regionId);

let region: TestRegion;

beforeEach(async () => {
  region = await TestRegion.start();
  const delays = group('delays', { sync: { mode: 'active-active', regions: EVERYWHERE } });
  await region.call('POST', '/v1/admin/definitions', { definitions: definitions([delays]) });
});

afterEach(() => region.stop());

const propose = (document: ReturnType<typeof policy>, more = {}) =>
  region.call('POST', '/v1/admin/policies/propose', { record: { ...record(document), ...more } });
const approve = (document: ReturnType<typeof policy>, officer: 'ana' | 'ben' | 'cleo') =>
  region.call('POST', '/v1/admin/policies/approve', {
    home: document.home,
    name: document.name,
    version: document.version,
    signature: signature(document, officer, 'approve'),
  });
const placement = async (): Promise<string[]> =>
  (await region.call('GET', '/v1/admin/policies/explain?group=delays')).body.placement;

describe('default deny and four eyes', () => {
  test('without a policy a group stays at home, whatever it wishes, and explain says which wishes are refused', async () => {
    const { body } = await region.call('GET', '/v1/admin/policies/explain?group=us-east-1/delays');
    expect(body).toMatchObject({
      allowed: ['us-east-1'],
      placement: ['us-east-1'],
      refusedWishes: ['eu-west-1', 'us-west-2'],
      policies: [],
    });
  });

  test('a loosening needs two approvers beside the author; the epoch is given with the second', async () => {
    const open = policy({ name: 'open' });
    const proposed = await propose(open);
    expect(proposed.body.policy).toMatchObject({ state: 'proposed', approvals: 0, requiredApprovals: 2 });
    expect(proposed.body.plan).toMatchObject({
      change: 'loosening',
      groups: [{ group: 'us-east-1/delays@v1', placementBefore: ['us-east-1'], placementAfter: EVERYWHERE }],
    });
    expect((await approve(open, 'ben')).body.policy).toMatchObject({ state: 'proposed', approvals: 1 });
    expect(await placement()).toEqual(['us-east-1']);
    const second = await approve(open, 'cleo');
    expect(second.body.policy).toMatchObject({ state: 'in-force', approvals: 2, record: { epoch: 1 } });
    expect(await placement()).toEqual(EVERYWHERE);
    expect(
      (
        await region.call('GET', '/internal/v1/own-entries', undefined, {
          authorization: 'Bearer internal-token-of-a-test-region',
        })
      ).body.entries.filter(({ kind }: { kind: string }) => kind === 'policy'),
    ).toHaveLength(1);
  });

  test('approvals given at the same moment both count', async () => {
    const open = policy({ name: 'open' });
    await propose(open);
    const answers = await Promise.all([approve(open, 'ben'), approve(open, 'cleo')]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const { body } = await region.call('GET', '/v1/admin/policies');
    expect(body.policies).toMatchObject([{ state: 'in-force', approvals: 2, record: { epoch: 1 } }]);
  });

  test('an approval by the proposer that rides along with the proposal counts for nothing', async () => {
    const open = policy({ name: 'open' });
    const signatures = [
      signature(open, 'ben', 'propose'),
      signature(open, 'ben', 'approve'),
      signature(open, 'cleo', 'approve'),
    ];
    const answer = await propose(open, { signatures });
    expect(answer.body.policy).toMatchObject({ state: 'proposed', approvals: 1, requiredApprovals: 2 });
    expect(await placement()).toEqual(['us-east-1']);
  });

  test('the same officer twice is one approval', async () => {
    const open = policy({ name: 'open' });
    await propose(open);
    await approve(open, 'ben');
    expect((await approve(open, 'ben')).body.policy).toMatchObject({ state: 'proposed', approvals: 1 });
  });

  test('an owner may not approve, and whoever proposed may not approve either', async () => {
    const open = policy({ name: 'open' });
    await propose(open);
    const owner = await approve(open, 'ana');
    expect([owner.status, owner.body.code]).toEqual([403, 'NOT_AN_OFFICER']);
    const byBen = policy({ name: 'other' });
    await propose(byBen, { signatures: [signature(byBen, 'ben', 'propose')] });
    const self = await approve(byBen, 'ben');
    expect([self.status, self.body.code]).toEqual([403, 'FORBIDDEN']);
  });

  test('a tightening is in force with one approver', async () => {
    const open = policy({ name: 'open' });
    await propose(open, { signatures: record(open, ['ben', 'cleo']).signatures });
    expect(await placement()).toEqual(EVERYWHERE);
    const home = policy({
      name: 'open',
      version: 2,
      allowed: { regions: [regionId('us-east-1')], jurisdictions: [] },
    });
    expect((await propose(home)).body.plan).toMatchObject({ change: 'tightening', requiredApprovals: 1 });
    expect((await approve(home, 'cleo')).body.policy).toMatchObject({
      state: 'in-force',
      record: { epoch: 2 },
    });
    expect(await placement()).toEqual(['us-east-1']);
    const { body } = await region.call('GET', '/v1/admin/policies');
    expect(body.policies.map(({ state }: { state: string }) => state).sort()).toEqual([
      'in-force',
      'superseded',
    ]);
  });

  test('an approved loosening of a later date leaves things as they are until then (R5)', async () => {
    const later = new Date(region.nowMs() + 3_600_000).toISOString();
    const open = policy({ name: 'open', effective: { from: later, until: null } });
    const answer = await propose(open, { signatures: record(open, ['ben', 'cleo']).signatures });
    expect(answer.body.policy).toMatchObject({ state: 'approved', record: { epoch: 1 } });
    expect(await placement()).toEqual(['us-east-1']);
    region.shiftClock(3_600_001);
    expect(await placement()).toEqual(EVERYWHERE);
  });
});

describe('refusals', () => {
  test('a forged signature is INVALID_SIGNATURE and stores nothing', async () => {
    const open = policy({ name: 'open' });
    const [byAna] = record(open).signatures;
    const forged = { ...byAna, officer: 'ben' };
    const answer = await propose(open, { signatures: [forged] });
    expect([answer.status, answer.body.code]).toEqual([403, 'INVALID_SIGNATURE']);
    const otherHash = await propose(open, { hash: 'f'.repeat(64) });
    expect(otherHash.body.code).toBe('INVALID_SIGNATURE');
    expect((await region.call('GET', '/v1/admin/policies')).body.policies).toEqual([]);
  });

  test('a signature over another version does not approve this one', async () => {
    const open = policy({ name: 'open' });
    await propose(open);
    const answer = await region.call('POST', '/v1/admin/policies/approve', {
      home: open.home,
      name: open.name,
      version: 1,
      signature: signature(policy({ name: 'open', version: 2 }), 'ben', 'approve'),
    });
    expect(answer.body.code).toBe('INVALID_SIGNATURE');
  });

  test('an unknown signer is NOT_AN_OFFICER', async () => {
    const open = policy({ name: 'open' });
    const [byAna] = record(open).signatures;
    const answer = await propose(open, { signatures: [{ ...byAna, officer: 'mallory' }] });
    expect([answer.status, answer.body.code]).toEqual([403, 'NOT_AN_OFFICER']);
  });

  test('an older file is POLICY_SUPERSEDED, and so is another content under the same version', async () => {
    await propose(policy({ name: 'open', version: 3 }));
    const older = await propose(policy({ name: 'open', version: 2 }));
    expect([older.status, older.body.code]).toEqual([409, 'POLICY_SUPERSEDED']);
    const changed = await propose(policy({ name: 'open', version: 3, egress: 'proxy' }));
    expect(changed.body.code).toBe('POLICY_SUPERSEDED');
    const same = await propose(policy({ name: 'open', version: 3 }));
    expect(same.status).toBe(200);
  });

  test('a record that claims to be in force without approvals is POLICY_NOT_APPROVED', async () => {
    const answer = await propose(policy({ name: 'open' }), { epoch: 4 });
    expect([answer.status, answer.body.code]).toEqual([409, 'POLICY_NOT_APPROVED']);
  });

  test('a policy of another home, one that would empty a placement are refused', async () => {
    const foreign = await propose(policy({ name: 'open', home: regionId('eu-west-1') }));
    expect(foreign.body).toMatchObject({
      code: 'NOT_HOME',
      home: 'eu-west-1',
      publicUrl: 'http://eu-west-1.example',
    });
    const empty = await propose(policy({ name: 'empty', allowed: { regions: [], jurisdictions: ['BR'] } }));
    expect([empty.status, empty.body.code]).toEqual([422, 'EMPTY_PLACEMENT']);
    const nothing = await propose(
      policy({ name: 'nothing', select: { groups: [], tags: [], entities: [] } }),
    );
    expect(nothing.body).toMatchObject({ code: 'INVALID_POLICY', issues: [{ path: 'select' }] });
  });
});

describe('consequences', () => {
  test('plan answers without storing', async () => {
    const { status, body } = await region.call('POST', '/v1/admin/policies/plan', {
      document: policy({ name: 'us', allowed: { regions: [], jurisdictions: ['US'] } }),
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      change: 'loosening',
      requiredApprovals: 2,
      groups: [{ placementAfter: ['us-east-1', 'us-west-2'], refusedWishes: ['eu-west-1'] }],
    });
    expect((await region.call('GET', '/v1/admin/policies')).body.policies).toEqual([]);
  });

  test('rows that leave are gone, and coming back starts with an empty table of a new generation (A3)', async () => {
    await region.put('delays', [{ key: { airport: 'ATL' }, eventTimeMs: 0, features: { mean: 1 } }]);
    const { id } = region.group('delays');
    const open = policy({ name: 'open' });
    await propose(open, { signatures: record(open, ['ben', 'cleo']).signatures });
    const away = policy({
      name: 'open',
      version: 2,
      allowed: { regions: [regionId('eu-west-1')], jurisdictions: [] },
    });
    await propose(away, { signatures: record(away, ['ben', 'cleo']).signatures });
    expect(await placement()).toEqual(['eu-west-1']);
    expect(region.app.tables.tableFor(id, 1)).toBeUndefined();
    expect(await region.store.listTables()).toEqual([]);
    const read = await region.call('POST', '/v1/online/read', {
      features: ['delays:mean'],
      keys: { airport: 'ATL' },
    });
    expect(read.status).toBeGreaterThanOrEqual(400);
    expect(read.body.results[0].statuses).toEqual(['REFUSED']);
    const back = policy({ name: 'open', version: 3 });
    await propose(back, { signatures: record(back, ['ben', 'cleo']).signatures });
    expect(region.app.tables.tableFor(id, 1)).toMatchObject({ generation: 2 });
    const again = await region.call('POST', '/v1/online/read', {
      features: ['delays:mean'],
      keys: { airport: 'ATL' },
    });
    expect(again.body.results[0].statuses).toEqual(['NOT_FOUND']);
  });

  test('readers: a caller with an ungranted purpose is refused, rows of other origins are not served under `rows: origin`', async () => {
    await region.put('delays', [
      { key: { airport: 'OWN' }, eventTimeMs: 0, features: { mean: 1 } },
      { key: { airport: 'THEIRS' }, eventTimeMs: 0, features: { mean: 2 }, origin: 'eu-west-1' },
    ]);
    const origin = policy({
      name: 'origin',
      rows: 'origin',
      readers: { jurisdictions: null, purposes: ['operations'] },
    });
    await propose(origin, { signatures: record(origin, ['ben', 'cleo']).signatures });
    const body = { features: ['delays:mean'], keys: { airport: ['OWN', 'THEIRS'] } };
    const read = await region.call('POST', '/v1/online/read', { ...body, purpose: 'operations' });
    const own = read.body.results.find(({ region: from }: { region: string }) => from === 'us-east-1');
    expect(own).toMatchObject({ columns: [[1, null]], statuses: [['PRESENT', 'REFUSED']] });
    const denied = await region.call('POST', '/v1/online/read', { ...body, purpose: 'marketing' });
    expect([denied.status, denied.body.code]).toEqual([403, 'RESIDENCY_DENIED']);
    expect(denied.body.candidates).toBeUndefined();
  });

  test('the audit names the officers, without an entity key', async () => {
    const open = policy({ name: 'open' });
    await propose(open);
    await approve(open, 'ben');
    const { body } = await region.call('GET', '/v1/admin/audit');
    expect(body.records.map(({ actor }: { actor: string }) => actor)).toEqual([
      'anonymous',
      'officer ana',
      'officer ben',
    ]);
  });
});
