import type { PlantedDefect } from './planted.ts';
import { runSimulation } from './run.ts';

/** Which runs a worker makes: every `step`-th from `first` on. */
export interface Batch {
  readonly base: string;
  readonly runs: number;
  readonly first: number;
  readonly step: number;
  readonly regions: number | undefined;
  readonly defect: PlantedDefect | undefined;
}

/** What a worker tells: a clean run, or one that broke an invariant or ended in an error that nobody handled. */
export type BatchNews =
  | { readonly kind: 'begun' | 'clean'; readonly seed: string; readonly summary: string }
  | { readonly kind: 'failed'; readonly seed: string; readonly lines: readonly string[] };

/** Most broken invariants that are told of one run. */
const MAX_TOLD = 20;

/** The seed of run `run`: the base itself where it names one run already. */
function seedOf({ base, runs }: Pick<Batch, 'base' | 'runs'>, run: number): string {
  return runs === 1 && base.includes('/') ? base : `${base}/${run}`;
}

/** Makes the runs of a batch one after the other and ends with the first that fails. */
export async function runBatch(
  batch: Batch,
  tell: (news: BatchNews) => void,
  trace?: (line: string) => void,
): Promise<void> {
  const { runs, first, step, regions, defect } = batch;
  for (let run = first; run < runs; run += step) {
    const seed = seedOf(batch, run);
    tell({ kind: 'begun', seed, summary: '' });
    const { violations, summary } = await runSimulation({
      seed,
      ...(regions === undefined ? {} : { regions }),
      ...(defect === undefined ? {} : { defect }),
      ...(trace === undefined ? {} : { trace }),
    });
    if (violations.length > 0) {
      const told = violations.slice(0, MAX_TOLD).map(({ invariant, what }) => `${invariant}: ${what}`);
      const more = violations.length > MAX_TOLD ? [`… ${violations.length} in all`] : [];
      tell({ kind: 'failed', seed, lines: [summary, ...told, ...more] });
      return;
    }
    tell({ kind: 'clean', seed, summary });
  }
}
