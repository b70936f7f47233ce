import { expect, test } from 'vitest';
import { PLANTED, type PlantedDefect } from './planted.ts';
import { runSimulation } from './run.ts';

/** Base of the seeds of this test; `FEATUREMESH_SIM_SEED` sets another. */
const BASE = process.env['FEATUREMESH_SIM_SEED'] ?? 'test';

/** Seeds that must run clean here; the command runs as many as one likes. */
const CLEAN_SEEDS = 40;

/** Every planted defect shows within as many seeds. */
const DEFECT_SEEDS = 24;

test('regions converge and keep every invariant whatever is lost, cut or killed', async () => {
  for (let run = 0; run < CLEAN_SEEDS; run++) {
    const { seed, violations } = await runSimulation({ seed: `${BASE}/${run}` });
    expect(violations, `npm run sim -- --seed ${seed} --trace`).toEqual([]);
  }
});

test('one seed gives one run', async () => {
  const traces = [0, 1].map(() => [] as string[]);
  for (const trace of traces)
    await runSimulation({ seed: `${BASE}/same`, trace: line => void trace.push(line) });
  expect(traces[0]?.length).toBeGreaterThan(20);
  expect(traces[1]).toEqual(traces[0]);
});

test.each(Object.keys(PLANTED) as PlantedDefect[])('a planted defect is found: %s', async defect => {
  const expected: readonly string[] = PLANTED[defect];
  let found: readonly string[] = [];
  for (let run = 0; run < DEFECT_SEEDS && found.length === 0; run++) {
    const { violations } = await runSimulation({ seed: `${BASE}/${run}`, defect });
    found = violations.map(({ invariant }) => invariant).filter(invariant => expected.includes(invariant));
  }
  expect(found.length, `${defect} breaks ${expected.join(' or ')}`).toBeGreaterThan(0);
});
