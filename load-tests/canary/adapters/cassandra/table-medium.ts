import type { CassandraStoreConfig, RegionConfig } from '@featuremesh/contracts/region-config';
import { Client, types } from 'cassandra-driver';
import type { CanaryItem, CanaryMedium } from '../../canary-medium.ts';
import { isPlacedIn } from '../../needle.ts';

const PAGE_ROWS = 1_000;
const READ_TIMEOUT_MS = 30_000;

/**
 * Every table of a region's cluster, of Cassandra's own keyspaces too, as each data centre answers it: rows, control records, registry,
 * batches and promises of conditional writes. Read with the plain driver, as an operator could.
 */
export function tableMedia(config: RegionConfig): readonly CanaryMedium[] {
  const { store } = config;
  if (store.type !== 'cassandra') return [];
  return [store.localDataCentre, ...store.fallbackDataCentres].map(dataCentre => ({
    name: 'Cassandra tables',
    region: config.id,
    permits: needle => isPlacedIn(needle, config.id),
    // Stands in the names of Cassandra's own catalogue of keyspaces.
    control: store.keyspace,
    scan: () => rowsOf(store, dataCentre),
  }));
}

/** A plain connection to one data centre of a cluster without credentials and TLS, as the local mesh has it. */
export async function clientOf(store: CassandraStoreConfig, dataCentre: string): Promise<Client> {
  const [first = ''] = store.contactPoints;
  const client = new Client({
    contactPoints: [...store.contactPoints],
    localDataCenter: dataCentre,
    protocolOptions: { port: Number(first.split(':')[1] ?? 9_042) },
    // Some of Cassandra's own keyspaces have one replica, in whichever data centre; of a region's the nearest answers.
    queryOptions: { prepare: true, consistency: types.consistencies.one, fetchSize: PAGE_ROWS },
    socketOptions: { readTimeout: READ_TIMEOUT_MS },
  });
  await client.connect();
  return client;
}

async function* rowsOf(store: CassandraStoreConfig, dataCentre: string): AsyncGenerator<CanaryItem> {
  const client = await clientOf(store, dataCentre);
  try {
    const { rows } = await client.execute('SELECT keyspace_name, table_name FROM system_schema.tables');
    for (const { keyspace_name: keyspace, table_name: table } of rows) {
      // Cassandra's own has names in capitals too.
      const name = `"${keyspace}"."${table}"`;
      let ordinal = 0;
      for await (const row of await client.execute(`SELECT * FROM ${name}`)) {
        ordinal += 1;
        const values = row.values().flatMap(bytesOf);
        yield { where: `${name} row ${ordinal} in ${dataCentre}`, bytes: Buffer.concat(values) };
      }
    }
  } finally {
    await client.shutdown();
  }
}

/** A value with what is inside it: blobs and texts as they are, the rest as it prints; each followed by a line's end. */
function bytesOf(value: unknown): readonly Uint8Array[] {
  if (value === null || value === undefined) return [];
  if (value instanceof Uint8Array) return [value, LINE];
  if (value instanceof Map) return [...value.entries()].flat().flatMap(bytesOf);
  if (Array.isArray(value) || value instanceof Set) return [...value].flatMap(bytesOf);
  return [Buffer.from(String(value)), LINE];
}

const LINE = Buffer.from('\n');
