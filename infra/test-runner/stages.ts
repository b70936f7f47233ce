/** One stage of `npm test`, in the order in which they run: the fast first. */
export type Stage =
  | { readonly kind: 'command'; readonly name: string; readonly command: readonly string[] }
  | {
      readonly kind: 'vitest';
      readonly name: string;
      readonly suite: 'test' | 'sim' | 'real';
      readonly filters: readonly string[];
    };

/** What `npm run check` runs: types, formatter and linter, repository rules. */
export const CHECK_STAGES: readonly Stage[] = [
  { kind: 'command', name: 'types', command: ['node_modules/.bin/tsc', '-p', 'tsconfig.json'] },
  {
    kind: 'command',
    name: 'lint and format',
    command: ['node_modules/.bin/biome', 'ci', '--max-diagnostics=40', '.'],
  },
  { kind: 'vitest', name: 'repository rules', suite: 'test', filters: ['infra/repo-rules'] },
];

/** What `npm test -- --profile full` runs: the tests of a whole mesh and of a region over HTTP, with their rows in Cassandra. */
export const FULL_PROFILE_STAGES: readonly Stage[] = [
  {
    kind: 'vitest',
    name: 'real servers, rows in Cassandra',
    suite: 'real',
    filters: [
      'infra/local-mesh',
      'load-tests/canary',
      'load-tests/nemesis',
      'load-tests/cassandra-kills',
      'services/cli',
      'services/feature-store/http',
      'services/feature-store/graphql',
      'gateway',
      'sync/adapters/jetstream',
      'infra/nats',
    ],
  },
];

/** What `npm test` runs beyond the check. Simulator seeds are bounded; real servers run file by file. */
export const TEST_STAGES: readonly Stage[] = [
  {
    kind: 'vitest',
    name: 'fast tests',
    suite: 'test',
    filters: [
      'services',
      'sync',
      'gateway',
      'load-tests',
      'infra/bootstrap',
      'infra/cassandra',
      'infra/components',
      'infra/nats',
      'infra/local-mesh',
      'infra/test-runner',
      'infra/wan',
    ],
  },
  { kind: 'vitest', name: 'simulator', suite: 'sim', filters: [] },
  { kind: 'vitest', name: 'real servers', suite: 'real', filters: [] },
];
