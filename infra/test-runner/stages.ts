import type { Lane } from './lanes.ts';

/** One stage of `npm test`, in the order in which they run: the fast first. */
export type Stage =
  | { readonly kind: 'command'; readonly name: string; readonly command: readonly string[] }
  | {
      readonly kind: 'vitest';
      readonly name: string;
      readonly suite: 'test' | 'sim' | 'real';
      readonly filters: readonly string[];
      /** Of real servers: which of them; all, one after the other, where it is left out. */
      readonly lane?: Lane;
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

/** What `npm test -- --profile full` runs: every test with real servers that the profile makes differ, with its rows in Cassandra. */
export const FULL_PROFILE_STAGES: readonly Stage[] = [
  { kind: 'vitest', name: 'real servers, rows in Cassandra', suite: 'real', lane: 'by-profile', filters: [] },
];

/** What `npm test` runs beyond the check. Simulator seeds are bounded; real servers run file by file where they need the machine. */
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
  { kind: 'vitest', name: 'real servers, side by side', suite: 'real', lane: 'side-by-side', filters: [] },
  { kind: 'vitest', name: 'real servers, one file at a time', suite: 'real', lane: 'alone', filters: [] },
];
