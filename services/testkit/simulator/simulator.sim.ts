import { expect, test } from 'vitest';
import { plantedDefectConformance, SEED_BASE } from './planted-tests.ts';
import { runSimulation } from './run.ts';

/** Seeds that must run clean here; the command runs as many as one likes. */
const CLEAN_SEEDS = 40;

test('regions converge and keep every invariant whatever is lost, cut or killed', async () => {
  for (let run = 0; run < CLEAN_SEEDS; run++) {
    const { seed, violations } = await runSimulation({ seed: `${SEED_BASE}/${run}` });
    expect(violations, `npm run sim -- --seed ${seed} --trace`).toEqual([]);
  }
});

test('one seed gives one run', async () => {
  const traces = [0, 1].map(() => [] as string[]);
  for (const trace of traces)
    await runSimulation({ seed: `${SEED_BASE}/same`, trace: line => void trace.push(line) });
  expect(traces[0]?.length).toBeGreaterThan(20);
  expect(traces[1]).toEqual(traces[0]);
});

// Those of what may be seen are in a file of their own, so that two workers share the time.
plantedDefectConformance(['S']);
