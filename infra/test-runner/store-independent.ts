/** Files with real servers that one profile tests as well as the other, by pattern, each with its reason. */
export const STORE_INDEPENDENT: Readonly<Record<string, string>> = {
  'gateway/{faults,gateway,hardening,outbound,residency}.real.ts': 'the test plays the regions',
  'gateway/{execution,http,routing}/*.real.ts': 'the test plays the regions',
  'infra/cassandra/*.real.ts': 'names Cassandra itself',
  'infra/local-mesh/full-profile.real.ts': 'names the profile itself',
  'infra/nats/*.real.ts': 'brokers alone',
  'infra/wan/*.real.ts': 'the network between regions alone',
  'load-tests/bench/*.real.ts': 'measures a bare server',
  'load-tests/cassandra-kills/*.real.ts': 'names its cluster itself',
  'load-tests/flights/*.real.ts': 'the test plays the regions',
  'services/cli/adapters/duckdb/*.real.ts': 'reads files',
  'services/cli/region/region-parts.real.ts': 'health of parts that the test plays',
  'services/feature-store/adapters/{cassandra,jetstream,lmdb}/*.real.ts': 'each names its server or its file',
  'services/feature-store/lost-store.real.ts':
    'a lost file of LMDB; of Cassandra it is not noticed (README, Limits)',
  'services/feature-store/main-{cassandra,registry}.real.ts': 'names Cassandra itself',
  'services/feature-store/http/server.real.ts': 'HTTP without a store',
  'services/feature-store/ingest/crash-points.real.ts': 'runs on both stores by itself',
  'services/feature-store/registry/*.real.ts': 'files of the registry alone',
  'services/runtime/*.real.ts': 'processes without a store',
  'sync/*.real.ts': 'the agent knows no store; its service is played',
  'sync/adapters/jetstream/*.real.ts': 'from log to log; what the store does is played',
};
