import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { CatalogueGroup, GroupId } from '@featuremesh/domain/feature-group';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { regionId } from '@featuremesh/domain/region-id';
import { systemClock } from '@featuremesh/runtime/clock';
import { createLogger } from '@featuremesh/runtime/logger';
import { systemTimer } from '@featuremesh/runtime/timer';
import { CONFORMANCE_ROSTER } from '@featuremesh/testkit/conformance/registry-conformance';
import { MemoryRegistry, MemoryRegistryDisk } from '@featuremesh/testkit/memory/memory-registry';
import { group } from '@featuremesh/testkit/region/test-definitions';
import { expect, test } from 'vitest';
import type { TableRef } from '../ports/online-store.ts';
import { TableKeeper } from './table-keeper.ts';

const ID = 'aaaabbbbccccdddd' as GroupId;
const KEY = { name: 'airport', type: 'string' } as const;

/** Tables by name, shared by the keepers of one region; a switch makes calls fail. */
class Tables {
  readonly held = new Map<string, TableRef>();
  failing: 'ensure' | 'drop' | undefined;
  most = 100;

  async ensureTables(tables: readonly TableRef[]): Promise<void> {
    if (this.failing === 'ensure') throw new ProblemError(problem('TABLE_LIMIT', 'full'));
    const after = new Set([...this.held.keys(), ...tables.map(table => JSON.stringify(table))]);
    if (after.size > this.most) throw new ProblemError(problem('TABLE_LIMIT', 'full'));
    for (const table of tables) this.held.set(JSON.stringify(table), table);
  }

  async dropTable(table: TableRef): Promise<void> {
    if (this.failing === 'drop') throw new ProblemError(problem('STORE_UNAVAILABLE', 'gone'));
    this.held.delete(JSON.stringify(table));
  }

  async listTables(): Promise<readonly TableRef[]> {
    return [...this.held.values()];
  }
}

function entry(home: string, sequence = 0, version = 1): CatalogueEntry {
  const definition = group('delays', { homeRegion: regionId(home) });
  const stored: CatalogueGroup = {
    id: ID,
    version,
    revision: 1,
    schemaHash: 'h',
    definition,
    joinKeys: [KEY],
    subject: false,
    revisions: [definition.features],
    aliases: ['production', 'latest'],
  };
  return { kind: 'group', home, sequence, group: stored };
}

function setUp() {
  const disk = new MemoryRegistryDisk();
  const store = new Tables();
  const logger = createLogger({}, { level: 'silent' });
  const keeper = () => {
    const registry = new MemoryRegistry({ roster: CONFORMANCE_ROSTER, clock: systemClock, disk });
    return {
      registry,
      tables: new TableKeeper({ registry, store, clock: systemClock, timer: systemTimer, logger }),
    };
  };
  return { store, keeper };
}

const commit = (registry: MemoryRegistry, entries: readonly CatalogueEntry[]) =>
  registry.commit({ entries, actor: 'tester', what: 'test' });

test('two processes agree on one table of one generation', async () => {
  const { store, keeper } = setUp();
  const [one, two] = [keeper(), keeper()];
  await commit(one.registry, [entry('us-east-1')]);
  await Promise.all([one.tables.settle(), two.tables.settle(), one.tables.settle()]);
  const table = { groupId: ID, version: 1, generation: 1 };
  expect(one.tables.tableFor(ID, 1)).toEqual(table);
  expect(two.tables.tableFor(ID, 1)).toEqual(table);
  expect([...store.held.values()]).toEqual([table]);
});

test('a group of another home without a policy gets no table here', async () => {
  const { store, keeper } = setUp();
  const { registry, tables } = keeper();
  await commit(registry, [entry('eu-west-1', 1)]);
  await tables.settle();
  expect(tables.tables()).toEqual([]);
  expect(store.held.size).toBe(0);
});

test('a table that no placement speaks of yet is left to the process that is making it', async () => {
  const { store, keeper } = setUp();
  const { tables } = keeper();
  const stranger = { groupId: 'zzzzyyyyxxxxwwww', version: 1, generation: 1 };
  store.held.set(JSON.stringify(stranger), stranger);
  await tables.settle();
  expect([...store.held.values()]).toEqual([stranger]);
});

test('leftovers of older generations are dropped, and a drop that failed is tried again', async () => {
  const { store, keeper } = setUp();
  const { registry, tables } = keeper();
  await commit(registry, [entry('us-east-1')]);
  const old = { groupId: ID, version: 1, generation: 1 };
  store.held.set(JSON.stringify(old), old);
  await registry.saveTablePlacements([{ ...old, held: false }]);
  store.failing = 'drop';
  await tables.settle();
  expect(tables.failure()).toBe('STORE_UNAVAILABLE');
  store.failing = undefined;
  await tables.settle();
  expect(tables.failure()).toBeUndefined();
  expect([...store.held.values()]).toEqual([{ ...old, generation: 2 }]);
});

test('S8: the table of a purged version is dropped, at home and where a peer told of it, and does not come back', async () => {
  for (const home of ['us-east-1', 'eu-west-1']) {
    const { store, keeper } = setUp();
    const { registry, tables } = keeper();
    const purged = (sequence: number): CatalogueEntry => {
      const told = entry(home, sequence);
      if (told.kind !== 'group') throw new Error('a group is told');
      const definition = { ...told.group.definition, state: 'retired' as const };
      return { ...told, group: { ...told.group, revision: 2, definition, purged: true } };
    };
    // Held before by another policy, in the case of the peer's.
    await registry.saveTablePlacements([{ groupId: ID, version: 1, generation: 3, held: true }]);
    await commit(registry, [entry(home, 1)]);
    if (home === 'us-east-1') await tables.settle();
    expect(store.held.size).toBe(home === 'us-east-1' ? 1 : 0);
    await commit(registry, [purged(2)]);
    for (let again = 0; again < 2; again += 1) await tables.settle();
    expect([tables.tableFor(ID, 1), store.held.size]).toEqual([undefined, 0]);
  }
});

test('when a table was gone is noted once, not before it is, and again where the registry took nothing meanwhile', async () => {
  const { store, keeper } = setUp();
  const { registry, tables } = keeper();
  const table = { groupId: ID, version: 1, generation: 3 };
  const placed = async () => (await registry.tablePlacements())[0];
  store.held.set(JSON.stringify(table), table);
  await registry.saveTablePlacements([{ ...table, held: false }]);
  store.failing = 'drop';
  await tables.settle();
  expect(await placed()).toEqual({ ...table, held: false });
  store.failing = undefined;
  const save = registry.saveTablePlacements.bind(registry);
  registry.saveTablePlacements = () => Promise.reject(new ProblemError(problem('REGISTRY_UNAVAILABLE', '')));
  await tables.settle();
  expect([store.held.size, tables.failure(), await placed()]).toEqual([
    0,
    undefined,
    { ...table, held: false },
  ]);
  registry.saveTablePlacements = save;
  const beforeMs = Date.now();
  await tables.settle();
  const noted = await placed();
  expect(noted).toEqual({ ...table, held: false, droppedAtMs: expect.any(Number) });
  expect(noted?.droppedAtMs).toBeGreaterThanOrEqual(beforeMs);
  await tables.settle();
  expect(await placed()).toEqual(noted);
});

test('a store that takes no more tables is named as the reason and tried again', async () => {
  const { store, keeper } = setUp();
  const { registry, tables } = keeper();
  store.failing = 'ensure';
  await commit(registry, [entry('us-east-1')]);
  await tables.settle();
  expect(tables.failure()).toBe('TABLE_LIMIT');
  expect(tables.tableFor(ID, 1)).toBeUndefined();
  store.failing = undefined;
  await tables.settle();
  expect(tables.tableFor(ID, 1)).toMatchObject({ generation: 1 });
});

test('of more tables than the store takes, those that fit are served, and a table that leaves makes room', async () => {
  const { store, keeper } = setUp();
  const { registry, tables } = keeper();
  store.most = 2;
  const leaving = { groupId: ID, version: 9, generation: 1 };
  store.held.set(JSON.stringify(leaving), leaving);
  await registry.saveTablePlacements([{ ...leaving, held: false }]);
  await commit(registry, [entry('us-east-1'), entry('us-east-1', 0, 2)]);
  await tables.settle();
  expect(tables.failure()).toBeUndefined();
  expect([1, 2].map(version => tables.tableFor(ID, version)?.version)).toEqual([1, 2]);

  await commit(registry, [entry('us-east-1', 0, 3)]);
  // A process that starts with too many serves what there is; so does one that ran before.
  for (const one of [keeper().tables, tables]) {
    await one.settle();
    expect(one.failure()).toBe('TABLE_LIMIT');
    expect([1, 2, 3].map(version => one.tableFor(ID, version)?.version)).toEqual([1, 2, undefined]);
  }
});
