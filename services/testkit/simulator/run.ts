import type { RegionInfo } from '@featuremesh/domain/mesh-state';
import { VISIBILITIES, type Visibility } from '@featuremesh/domain/policy';
import { feedImportSubject, outSubject } from '@featuremesh/domain/subjects';
import { type SeededRandom, seededRandom } from '@featuremesh/runtime/random';
import { CHECKERS } from '../checkers/all-checkers.ts';
import type { Evidence, Expectation, ExpectedGroup, Violation } from '../checkers/evidence.ts';
import { drawRates } from '../simulation/faults.ts';
import { Scheduler } from '../simulation/scheduler.ts';
import { SimulatedMesh } from '../simulation/simulated-mesh.ts';
import {
  type CatalogueVariants,
  type SimulatedCatalogue,
  simulatedCatalogue,
  simulatedRegions,
} from './catalogue.ts';
import { hooksOf, type PlantedDefect } from './planted.ts';
import { awaitQuiet } from './quiet-end.ts';
import { readAtRandom } from './readers.ts';
import { Recorder } from './recorder.ts';
import { plan } from './storm.ts';
import { type WorkloadParts, Writer } from './workload.ts';

/** When every run begins, true time: clocks show plausible dates. */
const START_MS = Date.parse('2026-06-01T00:00:00Z');

/** The mesh settles for this long before the workload begins, then writers write and things go wrong. */
const SETTLE_MS = 1_500;
const STORM_MS = 10_000;

/** Longest that a mesh may take to be quiet after all is mended; a run that needs more has failed. */
const MAX_CALM_MS = 150_000;

/** Between two looks at whether every broker enforces a tightening. */
const ENFORCED_LOOK_MS = 50;

/** What a run is determined by. */
export interface RunOptions {
  readonly seed: string;
  readonly regions?: number;
  readonly defect?: PlantedDefect;
  readonly trace?: (line: string) => void;
}

/** How a run ended. */
export interface RunResult {
  readonly seed: string;
  readonly violations: readonly Violation[];
  /** What it was made of, in a line. */
  readonly summary: string;
}

/** One simulated run: settle, storm under load, calm until quiet, judge. The same options give the same run. */
export async function runSimulation(options: RunOptions): Promise<RunResult> {
  const random = seededRandom(options.seed);
  const scheduler = new Scheduler(START_MS);
  const regions = simulatedRegions(options.regions ?? (random.stream('size').float() < 0.8 ? 3 : 2));
  const variants = drawVariants(random.stream('veils'), regions.length);
  const catalogue = simulatedCatalogue(regions, variants);
  const recorder = new Recorder(
    scheduler,
    catalogue.secrets.map(({ word }) => word),
  );
  const note = (line: string): void =>
    options.trace?.(`${((scheduler.nowMs() - START_MS) / 1_000).toFixed(3)} ${line}`);
  const mesh = new SimulatedMesh({
    scheduler,
    random: random.stream('mesh'),
    rates: drawRates(random.stream('rates')),
    regions,
    services: random.stream('services').float() < 0.3 ? 2 : 1,
    hooks: hooksOf(options.defect),
    observers: recorder.observers(options.trace === undefined ? undefined : note),
  });
  recorder.watch(mesh);
  const stage = new Stage({
    mesh,
    scheduler,
    recorder,
    regions,
    random,
    note,
    catalogue,
    tightens: variants.tightens,
  });
  const problem = await stage.play();
  const evidence = recorder.evidence(mesh);
  mesh.stop();
  const judged = CHECKERS.flatMap(check => check(evidence, stage.expectation()));
  const violations = problem === undefined ? judged : [...judged, { invariant: 'S9', what: problem }];
  return { seed: options.seed, violations, summary: summarise(evidence, scheduler.nowMs() - START_MS) };
}

function summarise(evidence: Evidence, ranMs: number): string {
  const { acknowledged, outs, resting } = evidence;
  const snapshots = outs.filter(({ envelope }) => envelope.kind === 'snapshot').length;
  const held = resting.filter(({ place }) => place === 'HELD').length;
  const rows = `${acknowledged.length} rows acknowledged, ${held} of them held on their way`;
  return `${rows}, ${outs.length} batches with ${snapshots} of snapshots, ${Math.round(ranMs / 1_000)} s`;
}

function drawVariants(random: SeededRandom, regions: number): CatalogueVariants {
  const veil = (): Visibility => VISIBILITIES[random.int(VISIBILITIES.length)] ?? 'hidden';
  return {
    veils: [veil(), ...Array.from({ length: random.int(5) }, veil)],
    tightens: regions > 2 && random.float() < 0.4,
    hides: random.float() < 0.5,
  };
}

interface StageParts {
  readonly mesh: SimulatedMesh;
  readonly scheduler: Scheduler;
  readonly recorder: Recorder;
  readonly regions: readonly RegionInfo[];
  readonly random: SeededRandom;
  readonly note: (line: string) => void;
  readonly catalogue: SimulatedCatalogue;
  readonly tightens: boolean;
}

/** The plot of one run and its variants: a group that is defined while it goes on, a policy that tightens while it goes on. */
class Stage {
  readonly #parts: StageParts;
  readonly #catalogue: SimulatedCatalogue;
  readonly #hasLate: boolean;
  readonly #tightens: boolean;
  #tightenedByMs: number | undefined;
  #rows = 0;

  constructor(parts: StageParts) {
    this.#parts = parts;
    this.#catalogue = parts.catalogue;
    this.#tightens = parts.tightens;
    this.#hasLate = parts.random.stream('variants').float() < 0.4;
  }

  /** What the run amounts to, by hand. */
  expectation(): Expectation {
    const { groups, late, shrinking, secrets } = this.#catalogue;
    const known = this.#hasLate ? [...groups, late.group] : groups;
    return {
      regions: this.#parts.regions.map(({ id }) => id),
      groups: known.map(group => (group.name === shrinking.name ? this.#shrunk(group) : group)),
      secrets,
    };
  }

  /** Plays to the end; says what did not come to rest, if anything. */
  async play(): Promise<string | undefined> {
    const { scheduler, mesh, random, regions, note, recorder } = this.#parts;
    await this.#begin();
    await scheduler.runUntil(START_MS + SETTLE_MS);
    const untilMs = scheduler.nowMs() + STORM_MS;
    const workload: WorkloadParts = {
      scheduler,
      mesh,
      recorder,
      writable: region => this.#writable(region),
      nextRow: () => ++this.#rows,
    };
    let writing = 0;
    let failure: unknown;
    for (const { id } of regions) {
      for (const writer of ['a', 'b']) {
        writing++;
        const client = new Writer(workload, id, random.stream(`writer ${id} ${writer}`));
        client.run(untilMs).then(
          () => writing--,
          (error: unknown) => {
            failure ??= error;
            writing--;
          },
        );
      }
      const groups = this.expectation().groups;
      void readAtRandom({ ...this.#parts, groups }, id, random.stream(`reader ${id}`), untilMs + 8_000);
    }
    plan({ scheduler, mesh, random: random.stream('storm'), durationMs: STORM_MS, note });
    this.#planVariants();
    await scheduler.runUntil(untilMs);
    note('calm');
    mesh.calm();
    const outcome = await awaitQuiet({
      mesh,
      scheduler,
      recorder,
      expectation: () => this.expectation(),
      writing: () => writing > 0,
      untilMs: scheduler.nowMs() + MAX_CALM_MS,
    });
    if (failure !== undefined) return failure instanceof Error ? failure.message : String(failure);
    return outcome;
  }

  async #begin(): Promise<void> {
    const { mesh, regions } = this.#parts;
    const { home, entries } = this.#catalogue;
    await mesh.tell(home, entries);
    for (const { id } of regions) {
      if (id !== home) await mesh.tell(id, await mesh.publication(home, id));
      for (let slot = 0; slot < mesh.region(id).services.length; slot++) mesh.startService(id, slot);
      mesh.startSync(id);
    }
  }

  #planVariants(): void {
    const { scheduler, mesh, random, note } = this.#parts;
    const { home, late, tightening, unveilings } = this.#catalogue;
    const draw = random.stream('variant times');
    const times = unveilings.map(() => draw.int(STORM_MS)).sort((a, b) => a - b);
    unveilings.forEach((entries, at) => {
      scheduler.after(times[at] ?? 0, () => {
        note('the policy of the veiled group changes what outsiders may know');
        void mesh.tell(home, entries);
      });
    });
    if (this.#hasLate) {
      scheduler.after(draw.int(STORM_MS / 2), () => {
        note('the late group is defined at home');
        void mesh.tell(home, late.entries);
      });
    }
    if (this.#tightens) {
      scheduler.after(STORM_MS / 4 + draw.int(STORM_MS / 2), () => {
        note('the policy of the shrinking group tightens at home');
        void mesh.tell(home, tightening);
        this.#awaitEnforced();
      });
    }
  }

  /** The brokers themselves are asked, so that what counts is what they refuse. */
  #awaitEnforced(): void {
    const { scheduler, mesh, regions, note } = this.#parts;
    const { groupId } = this.#catalogue.shrinking;
    const shutOut = regions.slice(2).map(({ id }) => id);
    const open = regions.some(({ id }) => {
      const { feed, links } = mesh.region(id).disk;
      const peers = shutOut.includes(id) ? regions.map(region => region.id) : shutOut;
      const imports =
        shutOut.includes(id) &&
        peers.some(peer => feed.stream.permitted(feedImportSubject(groupId, 1, peer)));
      return imports || peers.some(peer => links.get(peer)?.out.permitted(outSubject(groupId)) === true);
    });
    if (open) {
      scheduler.after(ENFORCED_LOOK_MS, () => this.#awaitEnforced());
      return;
    }
    this.#tightenedByMs = scheduler.nowMs();
    note('every broker enforces the tightening');
  }

  #writable(region: string): readonly ExpectedGroup[] {
    const { groups, late } = this.#catalogue;
    const known = this.#hasLate ? [...groups, late.group] : groups;
    return known.filter(group => group.regions.includes(region));
  }

  #shrunk(group: ExpectedGroup): ExpectedGroup {
    if (!this.#tightens) return group;
    const enforcedMs = this.#tightenedByMs ?? Number.POSITIVE_INFINITY;
    return {
      ...group,
      regions: group.regions.slice(0, 2),
      before: { regions: group.regions, enforcedMs },
    };
  }
}
