import { continues } from '@featuremesh/domain/catalogue-view';
import type { Expectation } from '../checkers/evidence.ts';
import type { Scheduler } from '../simulation/scheduler.ts';
import type { SimulatedMesh } from '../simulation/simulated-mesh.ts';
import type { Recorder } from './recorder.ts';

/** Longest that the catalogue may take to be told once all rows are at rest. */
const MAX_TELLING_MS = 30_000;

/** Between two looks at whether the mesh is quiet. */
const LOOK_MS = 500;

/** What is looked at. */
export interface QuietParts {
  readonly mesh: SimulatedMesh;
  readonly scheduler: Scheduler;
  readonly recorder: Recorder;
  readonly expectation: () => Expectation;
  /** True while clients wait for answers. */
  readonly writing: () => boolean;
  readonly untilMs: number;
}

/**
 * Runs on until clients are done, every log is applied, nothing is held, and every region has heard of every peer that it knows all of it
 * as of a time after that. Says what is missing where that does not come about.
 */
export async function awaitQuiet(parts: QuietParts): Promise<string | undefined> {
  const { scheduler, untilMs, writing } = parts;
  while (writing()) {
    if (scheduler.nowMs() > untilMs) return 'clients are still waiting for answers';
    await scheduler.runUntil(scheduler.nowMs() + LOOK_MS);
  }
  const sinceMs = scheduler.nowMs();
  let quietSinceMs: number | undefined;
  for (;;) {
    await scheduler.runUntil(scheduler.nowMs() + LOOK_MS);
    const missing = firstMissing(parts, sinceMs);
    if (missing === undefined) {
      quietSinceMs ??= scheduler.nowMs();
      // Told or not is for checkers to say; they are given the time that it may take.
      if (scheduler.nowMs() - quietSinceMs > MAX_TELLING_MS || (await allTold(parts))) return undefined;
    }
    if (scheduler.nowMs() > untilMs) return `not quiet in time: ${missing}`;
  }
}

/** What a region publishes now has reached every peer, as far as numbers say: what is told and what is known is for checkers to judge. */
async function allTold({ mesh }: QuietParts): Promise<boolean> {
  for (const [home, { disk }] of mesh.regions) {
    for (const [peer, receiver] of mesh.regions) {
      if (peer === home || disk.registry.image.ownSequence === 0) continue;
      const now = (await mesh.publication(home, peer)).find(entry => entry.kind === 'view');
      const known = receiver.disk.registry.image.entries.get(`view/${home}`);
      const same =
        known?.kind === 'view' &&
        now !== undefined &&
        continues(known.view, now.view) &&
        continues(now.view, known.view);
      if (!same) return false;
    }
  }
  return true;
}

function firstMissing({ mesh, recorder }: QuietParts, sinceMs: number): string | undefined {
  for (const [id, { disk }] of mesh.regions) {
    const { feed, held, store } = disk;
    // Poison stays for a person.
    const waiting = held.messages().filter(({ data }) => data.reason !== 'poison').length;
    if (waiting > 0) return `${id} holds ${waiting} batches`;
    const applied = (name: string): number => store.watermarks.get(`${name}@${feed.feedEpoch}`) ?? 0;
    for (const { seq, subject } of feed.stream.messages()) {
      const [, , , kind, source = ''] = subject.split('.');
      const watermark = applied(kind === 'own' ? `own.${source}` : 'imports');
      // Cursors alone come every second or so, so the last of them are always about to be applied.
      if (watermark < seq && !subject.startsWith('FEED._cursor'))
        return `${id} has not applied ${subject} ${seq}`;
    }
    for (const peer of mesh.regions.keys()) {
      if (peer === id) continue;
      const peerMs = sinceMs + mesh.region(peer).disk.skewMs;
      const known = recorder.progress.findLast(report => report.region === id && report.peer === peer);
      if (known === undefined || known.knownAsOfMs <= peerMs) return `${id} does not know all of ${peer}`;
      if (applied('imports') < known.throughSequence) return `${id} has not applied what it knows of ${peer}`;
    }
  }
  return undefined;
}
