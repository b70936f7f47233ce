import { systemRandom } from '@featuremesh/runtime/random';

/** Seed and length of a fuzz run, for `fc.assert`. */
export interface FuzzSettings {
  readonly seed: number;
  readonly numRuns: number;
  readonly endOnFailure: boolean;
}

const MAX_SEED = 2 ** 31 - 1;

/**
 * Settings of one fuzz run, printed so that it can be done again: `FEATUREMESH_FUZZ_SEED` gives the seed, `FEATUREMESH_FUZZ_RUNS`
 * multiplies the number of runs.
 */
export function fuzzSettings(name: string, runs: number): FuzzSettings {
  const given = Number(process.env['FEATUREMESH_FUZZ_SEED'] ?? '');
  const seed = given > 0 ? given : systemRandom.int(MAX_SEED);
  const factor = Number(process.env['FEATUREMESH_FUZZ_RUNS'] ?? '') || 1;
  const numRuns = Math.ceil(runs * factor);
  process.stdout.write(`fuzz ${name}: FEATUREMESH_FUZZ_SEED=${seed}, ${numRuns} runs\n`);
  return { seed, numRuns, endOnFailure: false };
}
