import { type SeededRandom, seededRandom } from '@featuremesh/runtime/random';
import { expect, test } from 'vitest';
import { CopyGaps } from './copy-gaps.ts';
import { COPIES_LAG_MS, COPIES_SAMPLE_MS, COPIES_SETTLE_MS } from './ingest-limits.ts';

const SEEDS = 150;
const STEPS = 400;
const STEP_MS = 1_000;
/** By gossip a death is noticed as late as this, and kept rows are handed on within this time of a return. */
const NOTICED_WITHIN_MS = 18_000;
const HANDED_ON_WITHIN_MS = 10_000;

interface Kept {
  readonly forNode: number;
  readonly sequence: number;
}

/** Three nodes with a copy each, as Cassandra keeps them: what one is not given another keeps for it, and loses when it dies. */
class Cluster {
  readonly #random: SeededRandom;
  readonly copies = [new Set<number>(), new Set<number>(), new Set<number>()];
  readonly #diedMs: (number | undefined)[] = [undefined, undefined, undefined];
  readonly #noticedMs = [0, 0, 0];
  readonly #kept: Kept[][] = [[], [], []];
  readonly #handOnMs = [0, 0, 0];
  readonly seen = new Set<number>();
  departures = 0;
  last = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  isUp(node: number): boolean {
    return this.#diedMs[node] === undefined;
  }

  write(): void {
    const keeper = [0, 1, 2].filter(node => this.isUp(node)).at(this.#random.int(3) % 3) ?? this.#anyUp();
    if (keeper === undefined) return;
    this.last += 1;
    for (const [node, copy] of this.copies.entries()) {
      // Also one that is there is late at times, and is kept its row until then.
      const isLate = node !== keeper && this.#random.float() < 0.02;
      if (this.isUp(node) && !isLate) copy.add(this.last);
      else this.#kept[keeper]?.push({ forNode: node, sequence: this.last });
    }
  }

  #anyUp(): number | undefined {
    return [0, 1, 2].find(node => this.isUp(node));
  }

  die(node: number, nowMs: number): void {
    if (!this.isUp(node)) return;
    this.#diedMs[node] = nowMs;
    this.#noticedMs[node] = nowMs + this.#random.int(NOTICED_WITHIN_MS);
    this.#kept[node] = [];
  }

  return(node: number, nowMs: number): void {
    if (this.isUp(node)) return;
    this.#diedMs[node] = undefined;
    // Its connections break at the latest now.
    this.#notice(node);
    this.seen.delete(node);
    this.#handOnMs.fill(nowMs + HANDED_ON_WITHIN_MS);
  }

  /** Time passes: deaths are noticed, kept rows are handed on. */
  pass(nowMs: number): void {
    for (const node of [0, 1, 2]) {
      if (!this.isUp(node) && nowMs >= (this.#noticedMs[node] ?? 0)) this.#notice(node);
      if (!this.isUp(node) || nowMs < (this.#handOnMs[node] ?? 0)) continue;
      this.#handOnMs[node] = nowMs + HANDED_ON_WITHIN_MS;
      const kept = this.#kept[node] ?? [];
      this.#kept[node] = kept.filter(({ forNode, sequence }) => {
        if (this.isUp(forNode)) this.copies[forNode]?.add(sequence);
        return !this.isUp(forNode);
      });
    }
  }

  #notice(node: number): void {
    if (this.seen.has(node)) return;
    this.seen.add(node);
    this.departures += 1;
  }

  states() {
    const away = [...this.seen].map(String);
    return { away, departures: this.departures };
  }

  /** Applied again to every copy; false where one is away. */
  applyAgain(after: number, through: number): boolean {
    if ([0, 1, 2].some(node => !this.isUp(node))) return false;
    for (let sequence = after + 1; sequence <= through; sequence += 1)
      for (const copy of this.copies) copy.add(sequence);
    return true;
  }
}

function holdsAll(cluster: Cluster, through: number): boolean {
  return cluster.copies.every(copy => {
    for (let sequence = 1; sequence <= through; sequence += 1) if (!copy.has(sequence)) return false;
    return true;
  });
}

/** One history by a seed: nodes die and return, the looking process too, and whoever looks begins with the floor written down. */
function run(seed: string): { readonly floor: number; readonly last: number; readonly again: number } {
  const random = seededRandom(seed);
  const cluster = new Cluster(random);
  let gaps = new CopyGaps({ floor: 0, departures: 0, isKnown: true });
  let again = 0;
  const step = (nowMs: number, isQuiet: boolean): void => {
    cluster.write();
    const node = random.int(3);
    if (!isQuiet && random.float() < 0.02) cluster.die(node, nowMs);
    if (isQuiet || random.float() < 0.05) cluster.return(node, nowMs);
    if (!isQuiet && random.float() < 0.005)
      gaps = new CopyGaps({ floor: gaps.floor, departures: cluster.departures, isKnown: false });
    cluster.pass(nowMs);
    const { departures } = cluster;
    if (gaps.look(nowMs, cluster.states()).kind === 'apply-again') {
      const { floor } = gaps;
      if (cluster.applyAgain(floor, cluster.last)) {
        again += cluster.last - floor;
        gaps.close(cluster.last, departures);
      } else gaps.again(nowMs);
    }
    if (nowMs % COPIES_SAMPLE_MS === 0) gaps.sample(nowMs, cluster.last);
    if (!holdsAll(cluster, gaps.floor)) throw new Error(`a copy lacks a row below ${gaps.floor} at ${nowMs}`);
  };
  for (let at = 1; at <= STEPS; at += 1) step(at * STEP_MS, false);
  const quietMs = COPIES_LAG_MS * 3 + COPIES_SETTLE_MS;
  for (let at = STEPS + 1; at <= STEPS + quietMs / STEP_MS; at += 1) step(at * STEP_MS, true);
  return { floor: gaps.floor, last: cluster.last, again };
}

test('whatever nodes and processes die and return, every copy has all rows up to the floor, and the floor follows when they stay', () => {
  let again = 0;
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const outcome = run(`gaps ${seed}`);
    expect(outcome.last - outcome.floor, `seed ${seed}`).toBeLessThanOrEqual(
      (COPIES_LAG_MS + COPIES_SAMPLE_MS) / STEP_MS,
    );
    again += outcome.again;
  }
  expect(again).toBeGreaterThan(0);
});

test('while no node goes nothing is applied again, and the floor trails what was applied', () => {
  const gaps = new CopyGaps({ floor: 10, departures: 0, isKnown: true });
  const whole = { away: [], departures: 0 };
  for (let nowMs = 0; nowMs <= 100_000; nowMs += COPIES_SAMPLE_MS) {
    expect(gaps.look(nowMs, whole)).toEqual({ kind: 'nothing' });
    gaps.sample(nowMs, 10 + nowMs);
  }
  expect(gaps.floor).toBe(10 + 100_000 - COPIES_LAG_MS);
});

test('absences that overlap are one, told with all nodes, and an absence between two looks counts', () => {
  const gaps = new CopyGaps({ floor: 7, departures: 0, isKnown: true });
  gaps.look(0, { away: ['a'], departures: 1 });
  gaps.look(1_000, { away: ['a', 'b'], departures: 2 });
  gaps.look(2_000, { away: ['b'], departures: 2 });
  expect(gaps.state).toEqual({ kind: 'away', nodes: ['b'] });
  const back = { away: [], departures: 2 };
  expect(gaps.look(3_000, back)).toEqual({ kind: 'nothing' });
  const due = gaps.look(3_000 + COPIES_SETTLE_MS, back);
  expect(due).toEqual({ kind: 'apply-again', gap: { nodes: ['a', 'b'] } });
  // One went and returned while rows were applied again: they are everywhere, but what came since may not be.
  gaps.look(20_000, { ...back, departures: 3 });
  gaps.close(50, 2);
  expect([gaps.floor, gaps.state.kind]).toEqual([50, 'missing']);
  expect(gaps.look(20_000 + COPIES_SETTLE_MS, { ...back, departures: 3 }).kind).toBe('apply-again');
  gaps.close(60, 3);
  expect([gaps.floor, gaps.state.kind]).toEqual([60, 'whole']);
});

test('who cannot know whether a node was away takes it that one was', () => {
  const gaps = new CopyGaps({ floor: 7, departures: 4, isKnown: false });
  const whole = { away: [], departures: 4 };
  expect(gaps.look(0, whole)).toEqual({ kind: 'nothing' });
  expect(gaps.look(COPIES_SETTLE_MS, whole)).toEqual({ kind: 'apply-again', gap: { nodes: [] } });
});
