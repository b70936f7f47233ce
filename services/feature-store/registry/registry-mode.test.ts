import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { RegionInfo } from '@featuremesh/domain/mesh-state';
import { ProblemError } from '@featuremesh/domain/problem';
import { type RegionId, regionId } from '@featuremesh/domain/region-id';
import {
  arbitrate,
  definitionOf,
  type RegistryMode,
  type RegistryModeRecord,
} from '@featuremesh/domain/registry-mode';
import { createLogger } from '@featuremesh/runtime/logger';
import { type SeededRandom, seededRandom } from '@featuremesh/runtime/random';
import { testGroup } from '@featuremesh/testkit/generators/mesh-states';
import { MemoryRegistry } from '@featuremesh/testkit/memory/memory-registry';
import { modeRecord, TEST_OFFICERS } from '@featuremesh/testkit/region/test-modes';
import { expect, test } from 'vitest';
import type { Enforcement } from './enforcement.ts';
import { EntryImporter } from './entry-importer.ts';
import { ModeDesk } from './mode-desk.ts';
import { ModeKeeper } from './mode-keeper.ts';
import { Publisher } from './publisher.ts';
import { RegistryWriter } from './registry-writer.ts';

const NOW_MS = Date.parse('2026-06-01T00:00:00Z');
const clock = { nowMs: () => NOW_MS, nowUs: () => BigInt(NOW_MS) * 1_000n };
const logger = createLogger({}, { level: 'silent' });
const IDS = ['us-east-1', 'us-west-2', 'eu-west-1'].map(regionId);
const NAMES = ['ads.clicks', 'ads.views', 'profile'];

/** Random meshes, each a story of its own. */
const SEEDS = 20;
/** Steps of a story before everything is delivered. */
const STEPS = 50;

const info = (id: RegionId): RegionInfo => ({
  id,
  jurisdiction: 'X',
  cloud: 'test',
  publicUrl: `http://${id}.example`,
  publicGatewayUrl: '',
  publicKey: id,
});

/** The registry side of a region: what is written there, told and taken over, without HTTP and links. */
class Region {
  readonly id: RegionId;
  readonly registry: MemoryRegistry;
  readonly keeper: ModeKeeper;
  readonly desk: ModeDesk;
  readonly #importer: EntryImporter;
  readonly #publisher: Publisher;
  readonly #writer: RegistryWriter;

  constructor(id: RegionId) {
    const peers = IDS.filter(other => other !== id).map(info);
    const registry = new MemoryRegistry({ roster: { self: info(id), peers }, clock });
    this.id = id;
    this.registry = registry;
    this.keeper = new ModeKeeper({ registry, region: id, logger });
    const officers = () => TEST_OFFICERS;
    this.desk = new ModeDesk({ registry, officers, keeper: this.keeper });
    this.#importer = new EntryImporter({ registry, officers, clock, logger });
    this.#publisher = new Publisher({ registry, clock });
    const tables = { settle: () => Promise.resolve() };
    const enforcement = { waitFor: () => Promise.resolve(true) } as unknown as Enforcement;
    this.#writer = new RegistryWriter({ registry, tables, enforcement });
  }

  /** Describes a group anew, or makes it; false where this region has not the say. */
  async define(home: RegionId, name: string, mark: string): Promise<boolean> {
    try {
      await this.#writer.write(
        state => {
          const known = state.groups.find(
            ({ definition }) => definition.homeRegion === home && definition.name === name,
          );
          const id = `${mark}${name}${home}`
            .replaceAll(/[^a-z2-7]/g, '')
            .padEnd(16, 'a')
            .slice(0, 16);
          const fresh = testGroup({ id, name, homeRegion: home });
          const group = known ?? fresh;
          const entry = { ...group, definition: { ...group.definition, description: mark } };
          return { entries: [{ kind: 'group', home, sequence: 0, group: entry }], what: 'define' };
        },
        { actor: 'test', subjects: [{ home, name }] },
      );
      return true;
    } catch (error) {
      if (error instanceof ProblemError && error.problem.code === 'NOT_HOME') return false;
      throw error;
    }
  }

  tell(peer: RegionId): Promise<readonly CatalogueEntry[]> {
    return this.#publisher.entriesFor(peer, 0);
  }

  async hear(peer: RegionId, entries: readonly CatalogueEntry[]): Promise<void> {
    await this.#importer.take(peer, entries);
    await this.keeper.settle();
  }

  async marks(): Promise<{ standing: string[]; lost: string[] }> {
    const { standing, lost } = arbitrate(await this.registry.entries());
    const markOf = (entry: CatalogueEntry) =>
      entry.kind === 'group' ? [entry.group.definition.description ?? ''] : [];
    return { standing: standing.flatMap(markOf).sort(), lost: lost.flatMap(markOf).sort() };
  }
}

interface Accepted {
  readonly by: RegionId;
  readonly home: RegionId;
  readonly name: string;
  readonly mark: string;
  /** Take-overs, `region decision`, that had been said anywhere when it was accepted. */
  readonly said: ReadonlySet<string>;
}

/** One mesh with a story: definitions and decisions anywhere, messages late, twice, out of order, or never until the end. */
class Story {
  readonly regions = new Map(IDS.map(id => [id, new Region(id)]));
  readonly accepted: Accepted[] = [];
  readonly decisions: RegistryModeRecord[] = [];
  readonly #random: SeededRandom;
  readonly #wire: { from: RegionId; to: RegionId; entries: readonly CatalogueEntry[] }[] = [];

  constructor(seed: string) {
    this.#random = seededRandom(seed);
  }

  async play(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      const draw = this.#random.float();
      if (draw < 0.3) await this.#define(`m${step}`);
      else if (draw < 0.4) await this.#decide();
      else if (draw < 0.62) await this.#send(this.#any(IDS), this.#any(IDS));
      else await this.#deliver();
    }
    for (let round = 0; round < 4; round++) {
      for (const from of IDS) for (const to of IDS) await this.#send(from, to);
      while (this.#wire.length > 0) await this.#deliver(true);
    }
  }

  region(id: RegionId): Region {
    const region = this.regions.get(id);
    if (region === undefined) throw new TypeError(id);
    return region;
  }

  #any<T>(of: readonly T[]): T {
    const one = of[this.#random.int(of.length)];
    if (one === undefined) throw new TypeError('nothing to choose from');
    return one;
  }

  async #define(mark: string): Promise<void> {
    const [by, home, name] = [this.#any(IDS), this.#any(IDS), this.#any(NAMES)];
    const said = await this.#said();
    if (await this.region(by).define(home, name, mark)) this.accepted.push({ by, home, name, mark, said });
  }

  async #said(): Promise<ReadonlySet<string>> {
    const said = new Set<string>();
    for (const { registry } of this.regions.values())
      for (const entry of await registry.entries())
        if (entry.kind === 'take-over') said.add(`${entry.home} ${entry.decision}`);
    return said;
  }

  async #decide(): Promise<void> {
    const mode: RegistryMode =
      this.#random.float() < 0.75 ? { kind: 'central', region: this.#any(IDS) } : { kind: 'federated' };
    const at = this.region(this.#any(IDS));
    const known = (await at.desk.list()).decisions.filter(({ state }) => state !== 'proposed');
    const epoch = 1 + Math.max(0, ...known.map(({ record }) => record.document.epoch));
    const record = modeRecord({ prefix: this.#any(['', 'ads.']), mode, epoch, reason: 'story' });
    await at.desk.propose(record, 'test');
    this.decisions.push(record);
  }

  async #send(from: RegionId, to: RegionId): Promise<void> {
    if (from !== to) this.#wire.push({ from, to, entries: await this.region(from).tell(to) });
  }

  async #deliver(last = false): Promise<void> {
    const at = this.#random.int(Math.max(1, this.#wire.length));
    const message = this.#wire[at];
    if (message === undefined) return;
    // Some come twice.
    if (last || this.#random.float() < 0.8) this.#wire.splice(at, 1);
    await this.region(message.to).hear(message.from, message.entries);
  }
}

test('M1–M4: whatever is late, repeated or out of order, all regions end with the same definitions, and an old centre merges nothing', async () => {
  let fenced = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const story = new Story(`registry mode ${seed}`);
    await story.play();
    const ends = await Promise.all(IDS.map(id => story.region(id).marks()));
    const why = `seed ${seed}`;
    for (const end of ends) expect(end.standing, why).toEqual(ends[0]?.standing);
    const entries = await story.region(IDS[0] as RegionId).registry.entries();
    const { modes } = arbitrate(entries);
    for (const { by, home, name, mark, said } of story.accepted) {
      const { region, decision } = modes.authority(home, name);
      const stale = region !== by && said.has(`${region} ${decision}`);
      if (!stale || by === home) continue;
      fenced += 1;
      for (const end of ends) expect(end.standing, `${why}: ${mark} of ${by}`).not.toContain(mark);
    }
    // What the region with the say wrote last, and all had heard of its say, stands.
    for (const key of new Set(story.accepted.map(({ home, name }) => `${home}/${name}`))) {
      const rightful = story.accepted.filter(one => {
        const { region, epoch, decision } = modes.authority(one.home, one.name);
        return (
          `${one.home}/${one.name}` === key &&
          one.by === region &&
          (epoch === 0 || one.said.has(`${region} ${decision}`))
        );
      });
      const last = rightful.at(-1);
      if (last !== undefined) expect(ends[0]?.standing, `${why}: ${last.mark}`).toContain(last.mark);
    }
  }
  expect(fenced).toBeGreaterThan(5);
});

test('M2: what an old centre accepts after the hand-over is reported as lost in every region, and stands in none', async () => {
  const story = new Story('hand-over');
  const [east, west, europe] = IDS.map(id => story.region(id)) as [Region, Region, Region];
  const pass = async (from: Region, to: Region) => to.hear(from.id, await from.tell(to.id));
  const central = (region: RegionId, epoch: number) =>
    modeRecord({ prefix: '', mode: { kind: 'central', region }, epoch, reason: 'test' });
  expect(await europe.define(europe.id, 'own', 'before')).toBe(true);
  await pass(europe, east);
  await east.desk.propose(central(east.id, 1), 'test');
  for (const to of [west, europe]) await pass(east, to);
  expect(await europe.define(europe.id, 'own', 'at home')).toBe(false);
  expect(await east.define(europe.id, 'own', 'by the centre')).toBe(true);
  for (const to of [west, europe]) await pass(east, to);
  expect((await europe.marks()).standing).toEqual(['by the centre']);
  // The hand-over reaches Europe, and the old centre is cut off.
  await west.desk.propose(central(west.id, 2), 'test');
  await pass(west, europe);
  expect(await east.define(europe.id, 'own', 'too late')).toBe(true);
  expect(await east.define(east.id, 'new', 'also too late')).toBe(true);
  expect(await west.define(europe.id, 'own', 'by the new centre')).toBe(true);
  await pass(east, europe);
  expect(await europe.marks()).toEqual({ standing: ['by the centre'], lost: ['also too late', 'too late'] });
  for (const [from, to] of [
    [east, west],
    [west, east],
    [west, europe],
    [east, europe],
  ] as const)
    await pass(from, to);
  for (const region of [east, west, europe])
    expect(await region.marks()).toEqual({
      standing: ['by the new centre'],
      lost: ['also too late', 'too late'],
    });
  expect(await east.define(europe.id, 'own', 'never')).toBe(false);
  const { lost, decisions } = await west.desk.list();
  expect(lost).toContainEqual({
    kind: 'group',
    definition: 'us-east-1/new',
    acceptedBy: 'us-east-1',
    registryEpoch: 1,
  });
  expect(decisions.map(({ state }) => state)).toEqual(['in-force', 'replaced']);
});

test('M3: arbitration is a function of what is known, not of the order in which it came', async () => {
  const story = new Story('registry mode 3');
  await story.play();
  const entries = await story.region(IDS[0] as RegionId).registry.entries();
  const text = (of: readonly CatalogueEntry[]) => of.map(entry => JSON.stringify(entry)).sort();
  const expected = arbitrate(entries);
  const random = seededRandom('orders');
  for (let run = 0; run < 20; run++) {
    const shuffled = entries.map(entry => ({ entry, at: random.float() })).sort((a, b) => a.at - b.at);
    const other = arbitrate(shuffled.map(({ entry }) => entry));
    expect(text(other.standing)).toEqual(text(expected.standing));
    expect(text(other.lost)).toEqual(text(expected.lost));
  }
  expect(entries.some(entry => definitionOf(entry) !== undefined)).toBe(true);
});
