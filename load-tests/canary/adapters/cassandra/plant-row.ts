import type { RegionConfig } from '@featuremesh/contracts/region-config';
import { types } from 'cassandra-driver';
import { clientOf } from './table-medium.ts';

/** A row for the first table of a region's keyspace that begins with `table`. */
export interface PlantedRow {
  readonly table: string;
  readonly columns: Readonly<Record<string, Buffer | string | number>>;
}

/** Puts a row into every data centre of a region's cluster. Throws where there is no such table. */
export async function plantRow({ store }: RegionConfig, { table, columns }: PlantedRow): Promise<void> {
  if (store.type !== 'cassandra') throw new TypeError('the region keeps no rows in Cassandra');
  const client = await clientOf(store, store.localDataCentre);
  try {
    const { rows } = await client.execute(
      'SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?',
      [store.keyspace],
    );
    const name = rows.map(row => String(row['table_name'])).find(one => one.startsWith(table));
    if (name === undefined) throw new RangeError(`no table ${table} in the keyspace`);
    const names = Object.keys(columns);
    await client.execute(
      `INSERT INTO ${store.keyspace}.${name} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
      Object.values(columns),
      { consistency: types.consistencies.all },
    );
  } finally {
    await client.shutdown();
  }
}
