import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { laneOf, SIDE_BY_SIDE } from './lanes.ts';
import { LongestFirst } from './longest-first.ts';
import { STORE_INDEPENDENT } from './store-independent.ts';

const suite = process.env['FEATUREMESH_TEST_SUITE'] ?? '{test,sim,real}';
const lane = laneOf(process.env);
const leftOut = {
  'side-by-side': [],
  alone: SIDE_BY_SIDE,
  'by-profile': Object.keys(STORE_INDEPENDENT),
};
const everyFile = [`{services,sync,gateway,infra,load-tests}/**/*.${suite}.ts`];

export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: lane === 'side-by-side' ? [...SIDE_BY_SIDE] : everyFile,
    exclude: ['**/node_modules/**', '**/.featuremesh/**', ...(lane === undefined ? [] : leftOut[lane])],
    // Real servers share two cores: one file at a time there, but for those that keep to themselves; two elsewhere.
    fileParallelism: suite !== 'real' || lane === 'side-by-side',
    maxWorkers: 2,
    ...(lane === 'side-by-side' ? { sequence: { sequencer: LongestFirst } } : {}),
    testTimeout: suite === 'test' ? 20_000 : 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
  },
});
