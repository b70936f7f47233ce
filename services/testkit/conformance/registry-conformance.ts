import { isDeepStrictEqual } from 'node:util';
import { brokenLink } from '@featuremesh/contracts/admin-audit';
import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { RegionInfo } from '@featuremesh/domain/mesh-state';
import { ProblemError } from '@featuremesh/domain/problem';
import { regionId } from '@featuremesh/domain/region-id';
import type { Registry } from '@featuremesh/feature-store/ports/registry';
import type { RegionRoster } from '@featuremesh/feature-store/registry/mesh-state-builder';
import { afterEach, describe, expect, test } from 'vitest';

/** Opens registries of one region's processes on one fresh environment. */
export interface RegistrySetup {
  /** Another process on the same environment; closed by the suite. */
  open(): Promise<Registry>;
  /** Longest time until a process sees what another committed, on a busy machine; 250 ms where not given. */
  readonly noticedWithinMs?: number;
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

/** The bound is patience, not a promise: servers of a busy machine. */
async function eventually(condition: () => boolean): Promise<void> {
  const untilMs = Date.now() + 10_000;
  while (!condition() && Date.now() < untilMs) await new Promise(resolve => setTimeout(resolve, 10));
  expect(condition()).toBe(true);
}

interface Start {
  (): Promise<Registry>;
  readonly noticedWithinMs: () => number;
}

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
    const start: Start = Object.assign(
      async () => {
        open.setup ??= await setUp();
        const registry = await open.setup.open();
        open.registries.push(registry);
        return registry;
      },
      // A tick of the machine's timers beside the 200 ms of the port.
      { noticedWithinMs: () => open.setup?.noticedWithinMs ?? 250 },
    );
    afterEach(async () => {
      for (const registry of open.registries) await registry.close();
      await open.setup?.end();
      delete open.setup;
      open.registries = [];
    });
    entryTests(start);
    concurrencyTests(start);
    noticeTests(start);
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

  test("C2: what a home's newer view no longer lists is gone, also when opened anew", async () => {
    const registry = await start();
    const view = (sequence: number, full: [number, number][]): CatalogueEntry => ({
      kind: 'view',
      home: PEER,
      sequence,
      view: { datesPassed: 0, through: 9, policyEpoch: 0, full, opaque: [] },
    });
    await commit(registry, [view(1, [[1, 9]]), entity(PEER, 'a', 1), entity(PEER, 'b', 2)]);
    expect(names(registry)).toEqual(['a', 'b']);
    await commit(registry, [view(2, [[2, 9]])]);
    expect(names(registry)).toEqual(['b']);
    await commit(registry, [entity(PEER, 'a', 1), view(1, [[1, 9]])]);
    const again = await start();
    expect(names(again)).toEqual(['b']);
    expect(JSON.stringify([await again.entries(), await again.audit(10)])).not.toContain('"a"');
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
}

function noticeTests(start: Start): void {
  test('shows another process a commit soon and calls its listeners', async () => {
    const [one, two] = [await start(), await start()];
    const seen: number[] = [];
    const stop = two.onChange(state => seen.push(state.revision));
    await commit(one, [entity(HOME, 'a')]);
    const startedMs = Date.now();
    await eventually(() => seen.includes(1));
    expect(Date.now() - startedMs).toBeLessThan(start.noticedWithinMs());
    expect(names(two)).toEqual(['a']);
    stop();
    await commit(one, [entity(HOME, 'b')]);
    await eventually(() => names(two).length === 2);
    expect(seen).toEqual([1]);
  });

  test('never shows part of a commit, nor an older state after a newer one', async () => {
    const [one, two] = [await start(), await start()];
    const twins = ['a', 'b', 'c', 'd'];
    const seen: { revision: number; descriptions: readonly string[] }[] = [];
    const stop = two.onChange(({ revision, entities }) =>
      seen.push({ revision, descriptions: entities.map(({ definition }) => definition.description ?? '') }),
    );
    for (let round = 1; round <= 12; round += 1)
      await commit(
        one,
        twins.map(name => entity(HOME, name, 0, `round ${round}`)),
      );
    await eventually(() => two.state().revision === 12);
    stop();
    for (const { revision, descriptions } of seen)
      expect(descriptions).toEqual(twins.map(() => `round ${revision}`));
    const revisions = seen.map(({ revision }) => revision);
    expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
  });

  test('brings unguarded commits of two processes one after the other, numbered and chained without a gap', async () => {
    const registries = [await start(), await start()];
    await Promise.all(
      registries.flatMap((registry, at) =>
        Array.from({ length: 4 }, (_, i) => commit(registry, [entity(HOME, `e${at}-${i}`)])),
      ),
    );
    for (const registry of registries) {
      await eventually(() => registry.state().revision === 8);
      const sequences = (await registry.entries()).map(({ sequence }) => sequence);
      expect(sequences.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      const records = await registry.audit(100);
      expect(records.map(({ revision }) => revision)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect(brokenLink(records)).toBeUndefined();
    }
  });
}

function keptBesideTests(start: Start): void {
  test('finds everything again when opened anew', async () => {
    const registry = await start();
    await commit(registry, [entity(HOME, 'a'), entity(PEER, 'b', 4)]);
    const placed = [
      { groupId: 'g', version: 1, generation: 3, held: true },
      { groupId: 'g', version: 2, generation: 1, held: false, droppedAtMs: 1_234 },
    ];
    await registry.saveTablePlacements(placed);
    const again = await start();
    expect(again.state().revision).toBe(1);
    expect(names(again).sort()).toEqual(['a', 'b']);
    expect((await again.tablePlacements()).toSorted((a, b) => a.version - b.version)).toEqual(placed);
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
    expect((await start()).state().policyConfirmedAtMs[PEER]).toBe(1_234);
    await one.confirmPolicy(PEER, 9, 9_999);
    expect(one.state().policyConfirmedAtMs[PEER]).toBe(1_234);
  });

  test('shares reports of the sync agent between processes', async () => {
    const [one, two] = [await start(), await start()];
    await one.saveReport({ enforced: { revision: 4, hash: 'h', atMs: 1 } });
    await one.saveReport({ links: { links: [], atMs: 2 } });
    const both = { enforced: { revision: 4, hash: 'h', atMs: 1 }, links: { links: [], atMs: 2 } };
    expect(one.reports()).toEqual(both);
    await eventually(() => isDeepStrictEqual(two.reports(), both));
    expect((await start()).reports()).toEqual(both);
  });

  test('gives the newest audit records where there are more than asked for, oldest first', async () => {
    const registry = await start();
    for (const name of ['a', 'b', 'c']) await commit(registry, [entity(HOME, name)]);
    expect((await registry.audit(2)).map(({ revision }) => revision)).toEqual([2, 3]);
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
