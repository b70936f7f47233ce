import { mkdirSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brokenLink } from '@featuremesh/contracts/admin-audit';
import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { systemClock } from '@featuremesh/runtime/clock';
import { createLogger } from '@featuremesh/runtime/logger';
import { systemTimer } from '@featuremesh/runtime/timer';
import {
  CONFORMANCE_ROSTER,
  registryConformance,
} from '@featuremesh/testkit/conformance/registry-conformance';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileRegistryCopies } from '../adapters/filesystem/file-registry-copies.ts';
import { LmdbRegistry } from '../adapters/lmdb/lmdb-registry.ts';
import { SteadyRegistry } from './steady-registry.ts';

const PATIENCE = { timeout: 20_000, interval: 20 };
const machine = { clock: systemClock, timer: systemTimer };
const { self } = CONFORMANCE_ROSTER;
const logger = createLogger({}, { level: 'error', stream: { write: () => undefined } });
const DISK_FULL = 'ENOSPC: no space left on device';
let folder: string;
let diskIsFull = false;
const registries: SteadyRegistry[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fm-steady-'));
});

afterEach(async () => {
  diskIsFull = false;
  for (const registry of registries.splice(0)) await registry.close();
  await rm(folder, { recursive: true, force: true });
});

async function open(slot = 0, below = folder): Promise<SteadyRegistry> {
  const path = join(below, 'registry');
  return SteadyRegistry.open({
    open: lost => {
      mkdirSync(path, { recursive: true });
      return filling(LmdbRegistry.open({ path, roster: CONFORMANCE_ROSTER, lost, ...machine }));
    },
    copies: new FileRegistryCopies({ folder: join(below, 'copies'), slot, logger }),
    roster: CONFORMANCE_ROSTER,
    ...machine,
    logger,
  });
}

async function kept(slot = 0): Promise<SteadyRegistry> {
  const registry = await open(slot);
  registries.push(registry);
  return registry;
}

async function closed(registry: SteadyRegistry): Promise<void> {
  registries.splice(registries.indexOf(registry), 1);
  await registry.close();
}

/** Writes fail, while the switch is on, as they do on a full disk; LMDB's own error has no code of the catalogue. */
function filling(registry: LmdbRegistry): LmdbRegistry {
  const writes: ReadonlySet<unknown> = new Set([
    'commit',
    'saveTablePlacements',
    'confirmPolicy',
    'saveReport',
    'probe',
  ]);
  return new Proxy(registry, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      if (!diskIsFull || !writes.has(name)) return member.bind(target);
      return () => {
        if (name === 'probe') throw new Error(DISK_FULL);
        return Promise.reject(new Error(DISK_FULL));
      };
    },
  });
}

function entity(name: string): CatalogueEntry {
  const definition = { name, joinKeys: [{ name, type: 'string' as const }], subject: false, description: '' };
  return { kind: 'entity', home: self.id, sequence: 0, entity: { homeRegion: self.id, definition } };
}

const define = (registry: SteadyRegistry, name: string) =>
  registry.commit({ entries: [entity(name)], actor: 'tester', what: 'test' });
const names = (registry: SteadyRegistry) =>
  registry.state().entities.map(({ definition }) => definition.name);
const table = { groupId: 'g', version: 1, generation: 1, held: true };
const corrupt = (): Promise<void> =>
  writeFile(join(folder, 'registry', 'data.mdb'), Buffer.alloc(65_536, 'no registry'));

registryConformance('LMDB with copies', async () => {
  const below = await mkdtemp(join(tmpdir(), 'fm-steady-'));
  let slot = 0;
  return {
    open: () => open(slot++, below),
    end: () => rm(below, { recursive: true, force: true }),
  };
});

test('a registry that was lost is made again from the newest copy, placements included, and its record goes on', async () => {
  const [one, two] = [await kept(0), await kept(1)];
  await define(one, 'user');
  await one.saveTablePlacements([table]);
  await two.saveTablePlacements([{ ...table, held: false }]);
  await define(two, 'article');
  const before = two.state();
  const [last] = await two.audit(1);
  await closed(one);
  await closed(two);
  await rm(join(folder, 'registry'), { recursive: true });

  const again = await kept(0);
  expect(again.state()).toEqual(before);
  expect(await again.tablePlacements()).toEqual([{ ...table, held: false }]);
  expect(again.warning()).toContain('was lost and was made again');
  await define(again, 'topic');
  const [first, second] = await again.audit(10);
  expect(first).toEqual(last);
  expect(first && second && brokenLink([first, second])).toBeUndefined();
  expect(second).toMatchObject({ what: 'test' });
});

test('one whose file is removed while it is open is noticed and made again by all processes', async () => {
  const [one, two] = [await kept(0), await kept(1)];
  await define(one, 'user');
  await rm(join(folder, 'registry'), { recursive: true });
  for (const registry of [one, two]) await expect.poll(() => registry.warning(), PATIENCE).toContain('lost');
  await expect
    .poll(() => define(one, 'article').then(names.bind(undefined, one)), PATIENCE)
    .toContain('article');
  await expect.poll(() => names(two).toSorted(), PATIENCE).toEqual(['article', 'user']);
});

test('one that cannot be opened is served from the copy, refuses changes, and is used again once it can be', async () => {
  const one = await kept();
  await define(one, 'user');
  await closed(one);
  await corrupt();
  const again = await kept();
  expect(names(again)).toEqual(['user']);
  expect(again.warning()).toContain('known versions are served from a copy');
  await expect(define(again, 'article')).rejects.toMatchObject({ problem: { code: 'REGISTRY_UNAVAILABLE' } });
  await again.confirmPolicy('eu-west-1', 0, 5);
  expect(again.state().policyConfirmedAtMs).toEqual({ 'eu-west-1': 5 });
  await rm(join(folder, 'registry'), { recursive: true });
  await expect.poll(() => again.warning(), PATIENCE).toContain('made again from its copy');
  await define(again, 'article');
  expect(names(again).toSorted()).toEqual(['article', 'user']);
});

test('without a copy one that cannot be opened is an error: nothing is known', async () => {
  mkdirSync(join(folder, 'registry'));
  await corrupt();
  await expect(open()).rejects.toThrow();
});

test('on a full disk definitions are refused, confirmations and reports go on, and all returns with the room', async () => {
  const one = await kept();
  await define(one, 'user');
  let told = 0;
  one.onChange(() => {
    told += 1;
  });
  diskIsFull = true;
  await expect(define(one, 'article')).rejects.toMatchObject({ problem: { code: 'REGISTRY_UNAVAILABLE' } });
  await one.saveReport({ enforced: { revision: 1, hash: 'h', atMs: 3 } });
  expect(one.reports().enforced).toEqual({ revision: 1, hash: 'h', atMs: 3 });
  await one.confirmPolicy('eu-west-1', 0, 5);
  expect(one.state().policyConfirmedAtMs).toEqual({ 'eu-west-1': 5 });
  expect(names(one)).toEqual(['user']);
  diskIsFull = false;
  await expect.poll(() => one.warning(), PATIENCE).toBeUndefined();
  await define(one, 'article');
  expect(told).toBeGreaterThanOrEqual(2);
});

test('a copy that cannot be brought up to date is removed: it would bring back what was changed', async () => {
  const one = await kept();
  await define(one, 'user');
  const copies = join(folder, 'copies');
  expect(await readdir(copies)).toEqual(['slot-0.json']);
  await rm(copies, { recursive: true });
  // A file where the folder was: nothing can be written below it.
  await writeFile(copies, '');
  await define(one, 'article');
  expect(one.warning()).toContain('no copy of the registry can be kept');
});
