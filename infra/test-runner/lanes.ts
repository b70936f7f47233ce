/** Which files with real servers run: two beside each other; one alone on the machine, all others; or those that a profile makes differ. */
export type Lane = (typeof LANES)[number];

const LANES = ['side-by-side', 'alone', 'by-profile'] as const;

/** The environment variable by which the runner tells Vitest the lane; without it all files run one after the other. */
export const LANE_VARIABLE = 'FEATUREMESH_TEST_LANE';

/**
 * Files that keep to themselves: each has its own folders, free ports and servers, a broker and a few processes at the most. What starts a
 * mesh or uses the test run's Cassandra runs alone, and so does what measures times as short as a busy core can make them.
 */
export const SIDE_BY_SIDE: readonly string[] = [
  'gateway/*.real.ts',
  'gateway/{execution,http}/*.real.ts',
  'infra/nats/*.real.ts',
  'load-tests/flights/*.real.ts',
  'services/runtime/*.real.ts',
  'services/cli/adapters/duckdb/*.real.ts',
  'services/feature-store/adapters/{jetstream,lmdb}/*.real.ts',
  'services/feature-store/{balanced,evolution,lost-log,lost-registry,lost-store,main}.real.ts',
  'services/feature-store/{graphql,http,registry}/*.real.ts',
  'services/feature-store/ingest/{crash,ingest-service,projector}.real.ts',
  'sync/*.real.ts',
  'sync/adapters/jetstream/link.real.ts',
];

/** The lane that the environment names; undefined where it names none. */
export function laneOf(environment: Readonly<Record<string, string | undefined>>): Lane | undefined {
  const asked = environment[LANE_VARIABLE];
  const lane = LANES.find(one => one === asked);
  if (lane === undefined && asked !== undefined) throw new Error(`${LANE_VARIABLE} is ${LANES.join(', ')}`);
  return lane;
}
