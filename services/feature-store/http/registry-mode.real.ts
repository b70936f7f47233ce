import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { regionId } from '@featuremesh/domain/region-id';
import type { RegistryModeDocument } from '@featuremesh/domain/registry-mode';
import { definitions, group } from '@featuremesh/testkit/region/test-definitions';
import { modeRecord } from '@featuremesh/testkit/region/test-modes';
import { INTERNAL_TOKEN, TestRegion } from '@featuremesh/testkit/region/test-region';
import { afterEach, beforeEach, expect, test } from 'vitest';

const [EAST, WEST] = ['us-east-1', 'us-west-2'] as const;
const bearer = { authorization: `Bearer ${INTERNAL_TOKEN}` };
let east: TestRegion;
let west: TestRegion;

beforeEach(async () => {
  [east, west] = await Promise.all([TestRegion.start(EAST), TestRegion.start(WEST)]);
});

afterEach(() => Promise.all([east.stop(), west.stop()]));

const central = (region: string, epoch: number): RegistryModeDocument => ({
  prefix: '',
  mode: { kind: 'central', region: regionId(region) },
  epoch,
  reason: 'test',
});
const delays = (description: string) =>
  definitions([group('delays', { homeRegion: regionId(WEST), description })]);
const apply = (region: TestRegion, description: string) =>
  region.call('POST', '/v1/admin/definitions', { definitions: delays(description) });
const list = async (region: TestRegion) => (await region.call('GET', '/v1/admin/registry-mode')).body;
const propose = (region: TestRegion, record: ReturnType<typeof modeRecord>) =>
  region.call('POST', '/v1/admin/registry-mode/propose', { record });

/** All that one region publishes to the other arrives there. */
async function pass(
  from: TestRegion,
  to: TestRegion,
  [source, peer]: readonly [string, string],
): Promise<void> {
  const { body } = await from.call('GET', `/internal/v1/own-entries?peer=${peer}`, undefined, bearer);
  const entries = body.entries as readonly CatalogueEntry[];
  expect((await to.call('POST', '/internal/v1/entries', { peer: source, entries }, bearer)).status).toBe(204);
}

test('a decision needs two officers besides its author, and then the home refuses and names the centre', async () => {
  const record = modeRecord(central(EAST, 1), ['ben']);
  expect((await propose(west, record)).body.decisions).toMatchObject([{ state: 'proposed', approvals: 1 }]);
  expect((await apply(west, 'still at home')).status).toBe(200);
  const [cleo] = modeRecord(record.document, ['cleo']).signatures.filter(({ officer }) => officer === 'cleo');
  const approved = await west.call('POST', '/v1/admin/registry-mode/approve', {
    hash: record.hash,
    signature: cleo,
  });
  expect(approved.body.decisions).toMatchObject([{ state: 'in-force', approvals: 2, takenOverBy: [] }]);
  const refused = await apply(west, 'no longer');
  expect([refused.status, refused.body]).toMatchObject([
    421,
    { code: 'NOT_HOME', home: EAST, publicUrl: `http://${EAST}.example`, registryEpoch: 1 },
  ]);
  await pass(west, east, [WEST, EAST]);
  await expect.poll(async () => (await list(east)).decisions[0]?.takenOverBy).toEqual([EAST]);
  expect((await apply(east, 'by the centre')).status).toBe(200);
  await pass(east, west, [EAST, WEST]);
  expect(west.group('delays').definition.description).toBe('by the centre');
  expect(west.group('delays').id).toBe(east.group('delays').id);
});

test('forged, under-approved and stale decisions are refused by whoever is told them', async () => {
  const forged = { ...modeRecord(central(WEST, 1)), hash: 'a'.repeat(64) };
  expect((await propose(east, forged)).body.code).toBe('INVALID_SIGNATURE');
  const entry = (record: object) => ({ kind: 'registry-mode', home: WEST, sequence: 1, record });
  const entries = [entry({ ...modeRecord(central(WEST, 1), ['ben']), approved: true })];
  await east.call('POST', '/internal/v1/entries', { peer: WEST, entries }, bearer);
  expect((await list(east)).decisions).toEqual([]);
  expect((await propose(east, modeRecord(central(EAST, 2)))).status).toBe(200);
  expect((await propose(east, modeRecord(central(WEST, 2)))).body.code).toBe('POLICY_SUPERSEDED');
  expect((await propose(east, modeRecord(central('mars-1', 3)))).body.code).toBe('INVALID_POLICY');
});

test('a region without the say may not tell definitions of another home', async () => {
  await apply(west, 'at home');
  const { body } = await west.call('GET', `/internal/v1/own-entries?peer=${EAST}`, undefined, bearer);
  const told = (body.entries as readonly CatalogueEntry[]).find(({ kind }) => kind === 'group');
  const stolen = { ...told, home: 'eu-west-1', sequence: 1 };
  await east.call('POST', '/internal/v1/entries', { peer: 'eu-west-1', entries: [stolen] }, bearer);
  expect(east.registry.state().groups).toEqual([]);
});
