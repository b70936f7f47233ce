import { expect, test } from 'vitest';
import { PLANTED, type PlantedDefect } from './planted.ts';
import { runSimulation } from './run.ts';

/** Base of the seeds of the simulator's tests; `FEATUREMESH_SIM_SEED` sets another. */
export const SEED_BASE = process.env['FEATUREMESH_SIM_SEED'] ?? 'test';

/** Every planted defect shows within as many seeds. */
const DEFECT_SEEDS = 24;

/** Plants each defect whose invariants begin with one of these letters, and expects that one of them is found broken. */
export function plantedDefectConformance(letters: readonly string[]): void {
  const defects = (Object.keys(PLANTED) as PlantedDefect[]).filter(defect =>
    PLANTED[defect].every(invariant => letters.includes(invariant.charAt(0))),
  );
  test.each(defects)('a planted defect is found: %s', async defect => {
    const expected: readonly string[] = PLANTED[defect];
    let found: readonly string[] = [];
    for (let run = 0; run < DEFECT_SEEDS && found.length === 0; run++) {
      const { violations } = await runSimulation({ seed: `${SEED_BASE}/${run}`, defect });
      found = violations.map(({ invariant }) => invariant).filter(invariant => expected.includes(invariant));
    }
    expect(found.length, `${defect} breaks ${expected.join(' or ')}`).toBeGreaterThan(0);
  });
}
