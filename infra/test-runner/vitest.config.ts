import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const suite = process.env['FEATUREMESH_TEST_SUITE'] ?? '{test,sim,real}';

export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: [`{services,sync,gateway,infra,load-tests}/**/*.${suite}.ts`],
    exclude: ['**/node_modules/**', '**/.featuremesh/**'],
    // Real servers share two cores: one file at a time there, two elsewhere.
    fileParallelism: suite !== 'real',
    maxWorkers: 2,
    testTimeout: suite === 'test' ? 20_000 : 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
  },
});
