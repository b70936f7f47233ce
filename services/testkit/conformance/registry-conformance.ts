import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { RegionInfo } from '@featuremesh/domain/mesh-state';
import { ProblemError } from '@featuremesh/domain/problem';
import { regionId } from '@featuremesh/domain/region-id';
import type { Registry } from '@featuremesh/feature-store/ports/registry';
import { brokenLink } from '@featuremesh/feature-store/registry/audit-chain';
import type { RegionRoster } from '@featuremesh/feature-store/registry/mesh-state-builder';
import { afterEach, describe, expect, test } from 'vitest';

/** Opens registries of one region's processes on one fresh environment. */
export interface RegistrySetup {
  /** Another process on the same environment; closed by the suite. */
  open(): Promise<Registry>;
  /** Ends the environment, after every registry was closed. */
  end(): Promise<void>;
}

const HOME = 'us-east-1';
const PEER = 'eu-west-1';

/** The roster that the suite's registries must be opened with. */
export const CONFORMANCE_ROSTER: RegionRoster = { self: info(HOME, 'US'), peers: [info(PEER, 'EU')] };

function info(id: string, jurisdiction: string): RegionInfo {
  const url = `http://${id}.example`;
  return {
    id: regionId(id),
    jurisdiction,
    cloud: 'c',
    publicUrl: url,
    publicGatewayUrl: url,
    publicKey: `key of ${id}`,
  };
}

function entity(home: string, name: string, sequence = 0, description = ''): CatalogueEntry {
  const definition = { name, joinKeys: [{ name, type: 'string' as const }], subject: false, description };
  return { kind: 'entity', home, sequence, entity: { homeRegion: regionId(home), definition } };
}

const names = (registry: Registry) => registry.state().entities.map(({ definition }) => definition.name);

async function eventually(condition: () => boolean): Promise<void> {
  const untilMs = Date.now() + 2_000;
  while (!condition() && Date.now() < untilMs) await new Promise(resolve => setTimeout(resolve, 10));
  expect(condition()).toBe(true);
}

type Start = () => Promise<Registry>;

function commit(registry: Registry, entries: readonly CatalogueEntry[], expectedRevision?: number) {
  return registry.commit({
    entries,
    actor: 'tester',
    what: 'test',
    ...(expectedRevision === undefined ? {} : { expectedRevision }),
  });
}

/** What every registry must do, run on each adapter. */
export function registryConformance(name: string, setUp: () => Promise<RegistrySetup>): void {
  describe(`registry conformance: ${name}`, () => {
    const open: { setup?: RegistrySetup; registries: Registry[] } = { registries: [] };
    const start: Start = async () => {
      open.setup ??= await setUp();
      const registry = await open.setup.open();
      open.registries.push(registry);
      return registry;
    };
    afterEach(async () => {
      for (const registry of open.registries) await registry.close();
      await open.setup?.end();
      delete open.setup;
      open.registries = [];
    });
    entryTests(start);
    concurrencyTests(start);
    keptBesideTests(start);
  });
}

function entryTests(start: Start): void {
  test('starts empty with the roster as its regions', async () => {
    const registry = await start();
    expect(registry.state()).toMatchObject({ revision: 0, region: HOME, groups: [], policies: [] });
    expect(registry.state().regions.map(({ id }) => id)).toEqual([PEER, HOME]);
  });

  test('numbers own entries, raises the revision once per commit, and keeps the state object until it changes', async () => {
    const registry = await start();
    const before = registry.state();
    const after = await commit(registry, [entity(HOME, 'a'), entity(HOME, 'b')]);
    expect(after.revision).toBe(1);
    expect(registry.state()).toBe(after);
    expect(before.entities).toEqual([]);
    expect((await registry.entries()).map(({ sequence }) => sequence).sort()).toEqual([1, 2]);
  });

  test('gives an unchanged own entry no new number and no new revision', async () => {
    const registry = await start();
    const first = await commit(registry, [entity(HOME, 'a')]);
    const second = await commit(registry, [entity(HOME, 'a')]);
    expect(second).toBe(first);
    const third = await commit(registry, [entity(HOME, 'a', 0, 'described')]);
    expect(third.revision).toBe(2);
    expect((await registry.entries())[0]?.sequence).toBe(2);
  });

  test('keeps an imported entry under its own number and ignores one that is not newer', async () => {
    const registry = await start();
    await commit(registry, [entity(PEER, 'a', 7, 'new')]);
    const state = await commit(registry, [entity(PEER, 'a', 7, 'same'), entity(PEER, 'a', 3, 'old')]);
    expect(state.revision).toBe(1);
    expect(state.entities[0]?.definition.description).toBe('new');
    await commit(registry, [entity(PEER, 'a', 8, 'newer')]);
    expect(registry.state().entities[0]?.definition.description).toBe('newer');
  });

  test('leaves out of the state what a home outside the roster told', async () => {
    const registry = await start();
    await commit(registry, [entity('mars-1', 'a', 1)]);
    expect(registry.state().entities).toEqual([]);
  });
}

function concurrencyTests(start: Start): void {
  test('refuses a commit made for another revision and writes nothing of it', async () => {
    const registry = await start();
    await commit(registry, [entity(HOME, 'a')], 0);
    await expect(commit(registry, [entity(HOME, 'b')], 0)).rejects.toMatchObject({
      problem: { code: 'CONCURRENT_CHANGE' },
    });
    expect(names(registry)).toEqual(['a']);
    expect((await registry.audit(10)).length).toBe(1);
  });

  test('lets exactly one of many racing commits of two processes through', async () => {
    const [one, two] = [await start(), await start()];
    const outcomes = await Promise.allSettled(
      Array.from({ length: 16 }, (_, i) => commit(i % 2 === 0 ? one : two, [entity(HOME, `e${i}`)], 0)),
    );
    const won = outcomes.filter(({ status }) => status === 'fulfilled');
    const lost = outcomes.filter(outcome => outcome.status === 'rejected');
    expect(won.length).toBe(1);
    for (const outcome of lost)
      expect((outcome.reason as ProblemError).problem.code).toBe('CONCURRENT_CHANGE');
    await eventually(() => names(one).length === 1 && names(two).length === 1);
  });

  test('shows another process a commit within 200 ms and calls its listeners', async () => {
    const [one, two] = [await start(), await start()];
    const seen: number[] = [];
    const stop = two.onChange(state => seen.push(state.revision));
    await commit(one, [entity(HOME, 'a')]);
    const startedMs = Date.now();
    await eventually(() => seen.includes(1));
    // A tick of the machine's timers beside the stated bound.
    expect(Date.now() - startedMs).toBeLessThan(250);
    expect(names(two)).toEqual(['a']);
    stop();
    await commit(one, [entity(HOME, 'b')]);
    await eventually(() => names(two).length === 2);
    expect(seen).toEqual([1]);
  });
}

function keptBesideTests(start: Start): void {
  test('finds everything again when opened anew', async () => {
    const registry = await start();
    await commit(registry, [entity(HOME, 'a'), entity(PEER, 'b', 4)]);
    await registry.saveTablePlacements([{ groupId: 'g', version: 1, generation: 3, held: true }]);
    const again = await start();
    expect(again.state().revision).toBe(1);
    expect(names(again).sort()).toEqual(['a', 'b']);
    expect(await again.tablePlacements()).toEqual([{ groupId: 'g', version: 1, generation: 3, held: true }]);
  });

  test('refuses table placements judged by a state that is no longer current', async () => {
    const registry = await start();
    await commit(registry, [entity(HOME, 'a')]);
    const placement = { groupId: 'g', version: 1, generation: 1, held: true };
    await expect(registry.saveTablePlacements([placement], 0)).rejects.toBeInstanceOf(ProblemError);
    expect(await registry.tablePlacements()).toEqual([]);
    await registry.saveTablePlacements([placement], 1);
    expect(await registry.tablePlacements()).toEqual([placement]);
  });

  test('notes a confirmation of the epoch it knows, without a new revision, for all processes', async () => {
    const [one, two] = [await start(), await start()];
    await one.confirmPolicy(PEER, 0, 1_234);
    expect(one.state().revision).toBe(0);
    expect(one.state().policyConfirmedAtMs[PEER]).toBe(1_234);
    await eventually(() => two.state().policyConfirmedAtMs[PEER] === 1_234);
    await one.confirmPolicy(PEER, 9, 9_999);
    expect(one.state().policyConfirmedAtMs[PEER]).toBe(1_234);
  });

  test('shares reports of the sync agent between processes', async () => {
    const [one, two] = [await start(), await start()];
    await one.saveReport({ enforced: { revision: 4, hash: 'h', atMs: 1 } });
    await one.saveReport({ links: { links: [], atMs: 2 } });
    expect(two.reports()).toEqual({
      enforced: { revision: 4, hash: 'h', atMs: 1 },
      links: { links: [], atMs: 2 },
    });
  });

  test('records who changed what in a chain in which a changed record shows (R9)', async () => {
    const registry = await start();
    await commit(registry, [entity(HOME, 'a')]);
    await commit(registry, [entity(HOME, 'b')]);
    await commit(registry, [entity(HOME, 'c')]);
    const records = await registry.audit(10);
    expect(records.map(({ revision, actor, entries }) => ({ revision, actor, entries }))).toEqual([
      { revision: 1, actor: 'tester', entries: [`entity ${HOME}/a`] },
      { revision: 2, actor: 'tester', entries: [`entity ${HOME}/b`] },
      { revision: 3, actor: 'tester', entries: [`entity ${HOME}/c`] },
    ]);
    expect(brokenLink(records)).toBeUndefined();
    const forged = records.map((record, i) => (i === 1 ? { ...record, actor: 'somebody else' } : record));
    expect(brokenLink(forged)).toBe(2);
  });
}
