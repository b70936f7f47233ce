import { expect, test } from 'vitest';
import { CassandraTables } from './cassandra-tables.ts';
import type { Cql } from './cql.ts';

const TABLE = { groupId: 'tttttttttttttttt', version: 1, generation: 1 };

test('a table that another process is making is taken once all nodes have it, and is asked about once', async () => {
  const done: string[] = [];
  const cql = {
    keyspace: 'k',
    inspect: () => Promise.resolve({ rows: [{ table_name: 'g_tttttttttttttttt_v1_p1' }] }),
    schemaSettles: async () => void done.push('settles'),
    define: async () => void done.push('define'),
  } as unknown as Cql;
  const tables = new CassandraTables(cql, 8, work => work());
  await tables.ensure([TABLE]);
  await tables.ensure([TABLE]);
  expect(done).toEqual(['settles']);
  await tables.drop(TABLE);
  await tables.ensure([TABLE]);
  expect(done).toEqual(['settles', 'define', 'settles']);
});
