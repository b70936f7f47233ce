import { brokenLink } from '@featuremesh/contracts/admin-audit';
import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { ProblemError } from '@featuremesh/domain/problem';
import { regionId } from '@featuremesh/domain/region-id';
import type { LocalCassandra } from '@featuremesh/infra/cassandra/local-cassandra';
import { sharedCluster } from '@featuremesh/infra/cassandra/testing/shared-cluster';
import { CONFORMANCE_ROSTER } from '@featuremesh/testkit/conformance/registry-conformance';
import { type Client, errors } from 'cassandra-driver';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Registry } from '../../ports/registry.ts';
import type { CassandraStoreOptions } from './cassandra-options.ts';
import { Cql } from './cql.ts';
import { type RegistryMachine, registryMachine } from './testing/test-registry.ts';
import { testClient, testStoreOptions } from './testing/test-store.ts';

const HOME = regionId('us-east-1');
const PATIENCE = { timeout: 60_000, interval: 100 };

let cluster: LocalCassandra;
let client: Client;
let options: CassandraStoreOptions;
let machine: RegistryMachine;

beforeAll(async () => {
  cluster = await sharedCluster();
  client = await testClient(cluster);
  // The second data centre's only node: what other tests need stays up.
  options = testStoreOptions(cluster, { localDataCentre: 'dc2' });
});

beforeEach(async () => {
  machine = await registryMachine(options, CONFORMANCE_ROSTER);
});

afterEach(async () => {
  process.kill(nodePid(), 'SIGCONT');
  await machine.remove();
  await client.execute(`TRUNCATE ${options.keyspace}.fm_registry`, [], { prepare: false });
});

afterAll(async () => {
  await client.execute(`DROP KEYSPACE IF EXISTS ${options.keyspace}`, [], { prepare: false });
  await client.shutdown();
});

function nodePid(): number {
  const pid = cluster.pids[1];
  if (pid === undefined) throw new Error('the second node does not run');
  return pid;
}

function entity(name: string): CatalogueEntry {
  const definition = { name, joinKeys: [{ name, type: 'string' as const }], subject: false };
  return { kind: 'entity', home: HOME, sequence: 0, entity: { homeRegion: HOME, definition } };
}

const commit = (registry: Registry, name: string, expectedRevision?: number) =>
  registry.commit({
    entries: [entity(name)],
    actor: 'tester',
    what: `add ${name}`,
    ...(expectedRevision === undefined ? {} : { expectedRevision }),
  });

const names = (registry: Registry) => registry.state().entities.map(({ definition }) => definition.name);

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof ProblemError ? error.problem.code : String(error)),
  );

test('a paused Cassandra: what is known stays, also in a process that starts meanwhile; commits are refused, and nothing is doubled after', async () => {
  const one = await machine.open();
  await commit(one, 'a');
  await one.saveTablePlacements([{ groupId: 'g', version: 1, generation: 2, held: true }]);
  process.kill(nodePid(), 'SIGSTOP');
  const refused = commit(one, 'b', 1).catch((error: unknown) => String(error));
  const two = await machine.open();
  expect(two.hasState).toBe(true);
  for (const registry of [one, two]) {
    expect(registry.state()).toMatchObject({ revision: 1 });
    expect(names(registry)).toEqual(['a']);
    expect((await registry.tablePlacements()).length).toBe(1);
    await expect.poll(() => registry.failure(), PATIENCE).toBeDefined();
  }
  expect(await refused).toMatch(/REGISTRY_UNAVAILABLE/);
  expect(await codeOf(commit(two, 'c'))).toBe('REGISTRY_UNAVAILABLE');
  // A confirmation counts here at once, and reaches the others when it can.
  await two.confirmPolicy('eu-west-1', 0, 4_321);
  expect(two.state().policyConfirmedAtMs['eu-west-1']).toBe(4_321);
  process.kill(nodePid(), 'SIGCONT');
  for (const registry of [one, two]) await expect.poll(() => registry.failure(), PATIENCE).toBeUndefined();
  await expect.poll(() => one.state().policyConfirmedAtMs['eu-west-1'], PATIENCE).toBe(4_321);
  // What was sent before the pause may have been carried out after it; repeating the whole change is right either way.
  await expect.poll(() => codeOf(commit(one, 'b')), PATIENCE).toBe('done');
  await expect.poll(() => codeOf(commit(two, 'c')), PATIENCE).toBe('done');
  await expect.poll(() => names(one), PATIENCE).toEqual(['a', 'b', 'c']);
  const records = await one.audit(10);
  expect(records.map(({ entries }) => entries)).toEqual(
    ['a', 'b', 'c'].map(name => [`entity ${HOME}/${name}`]),
  );
  expect(brokenLink(records)).toBeUndefined();
  for (const registry of [one, two]) await registry.close();
});

/** The next conditional batch of any registry here is carried out or not, and its sender told that nobody answered. */
function loseNext(
  lost: 'request' | 'answer',
  meanwhile: () => Promise<unknown> = async () => undefined,
): void {
  const real = Cql.prototype.conditionalBatch;
  vi.spyOn(Cql.prototype, 'conditionalBatch').mockImplementationOnce(async function (this: Cql, ...sent) {
    if (lost === 'answer') await real.apply(this, sent);
    await meanwhile();
    throw new errors.OperationTimedOutError('lost on the way');
  });
}

test('a commit whose answer or request is lost is made exactly once, also where another process commits in between', async () => {
  const [one, two] = [await machine.open(), await machine.open()];
  await commit(one, 'a');
  loseNext('answer');
  expect((await commit(one, 'b', 1)).revision).toBe(2);
  loseNext('request');
  expect((await commit(one, 'c', 2)).revision).toBe(3);
  loseNext('answer', () => commit(two, 'e', 4));
  expect((await commit(one, 'd', 3)).revision).toBe(5);
  loseNext('request', () => commit(two, 'f', 5));
  expect(await codeOf(commit(one, 'g', 5))).toBe('CONCURRENT_CHANGE');
  for (const registry of [one, two]) {
    await expect.poll(() => names(registry), PATIENCE).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    const records = await registry.audit(10);
    expect(records.map(({ what }) => what)).toEqual(
      ['a', 'b', 'c', 'd', 'e', 'f'].map(name => `add ${name}`),
    );
    expect(brokenLink(records)).toBeUndefined();
    await registry.close();
  }
});

test('a keyspace that was emptied does not empty a region that serves: it is said, and nothing is written to it', async () => {
  const registry = await machine.open();
  await commit(registry, 'a');
  await client.execute(`TRUNCATE ${options.keyspace}.fm_registry`, [], { prepare: false });
  await expect.poll(() => registry.failure(), PATIENCE).toMatch(/revision 1.*holds none: restore it/);
  expect(names(registry)).toEqual(['a']);
  expect(await codeOf(commit(registry, 'b'))).toBe('REGISTRY_UNAVAILABLE');
  const { rows } = await client.execute(`SELECT * FROM ${options.keyspace}.fm_registry`);
  expect(rows).toEqual([]);
  await registry.close();
});

test('a region that moves from LMDB brings definitions and placements, and its record goes on behind the last line', async () => {
  await machine.keep({
    revision: 2,
    ownSequence: 2,
    confirmations: 0,
    entries: ['a', 'b'].map((name, at) => ({ ...entity(name), sequence: at + 1 })),
    confirmedAtMs: { 'eu-west-1': 77 },
    tables: [{ groupId: 'g', version: 1, generation: 2, held: true }],
    audits: 2,
    lastAudit: {
      revision: 2,
      atMs: 1,
      actor: 'tester',
      what: 'add b',
      entries: [`entity ${HOME}/b`],
      previousHash: '0'.repeat(64),
    },
  });
  const [one, two] = await Promise.all([machine.open(), machine.open()]);
  for (const registry of [one, two]) {
    await expect.poll(() => registry.failure(), PATIENCE).toBeUndefined();
    expect(names(registry)).toEqual(['a', 'b']);
    expect(registry.state().policyConfirmedAtMs).toEqual({ 'eu-west-1': 77 });
    expect(await registry.tablePlacements()).toMatchObject([{ generation: 2 }]);
  }
  expect((await commit(two, 'c', 2)).revision).toBe(3);
  const records = await one.audit(10);
  expect(records.map(({ revision }) => revision)).toEqual([2, 3]);
  expect(brokenLink(records)).toBeUndefined();
  for (const registry of [one, two]) await registry.close();
});
