import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { TableRef } from '../../ports/online-store.ts';
import type { Cql } from './cql.ts';
import type { SchemaLock } from './schema.ts';
import { createTable, nameOfTable, tableOfName } from './table-statements.ts';

/** The groups' tables in the keyspace: made and dropped under the schema lock, so that no two processes make one table twice. */
export class CassandraTables {
  readonly #cql: Cql;
  readonly #maxTables: number;
  readonly #lock: SchemaLock;
  /** Names of tables that every node had made when this process looked. */
  readonly #made = new Set<string>();

  constructor(cql: Cql, maxTables: number, lock: SchemaLock) {
    this.#cql = cql;
    this.#maxTables = maxTables;
    this.#lock = lock;
  }

  /** All tables that there are, whichever process made them. */
  async list(): Promise<readonly TableRef[]> {
    const { rows } = await this.#cql.inspect(
      'SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?',
      [this.#cql.keyspace],
    );
    return rows.flatMap(row => tableOfName(String(row['table_name'])) ?? []);
  }

  /** Makes those that are missing. Throws TABLE_LIMIT, having made none, where they would be more than the cluster carries. */
  async ensure(tables: readonly TableRef[]): Promise<void> {
    const names = tables.map(nameOfTable);
    // One that another process is making is listed before all nodes have it.
    if (missingOf(tables, await this.list()).length > 0) await this.#make(tables);
    else if (names.some(name => !this.#made.has(name))) await this.#cql.schemaSettles();
    for (const name of names) this.#made.add(name);
  }

  #make(tables: readonly TableRef[]): Promise<void> {
    return this.#lock(async () => {
      const present = await this.list();
      const missing = missingOf(tables, present);
      if (present.length + missing.length > this.#maxTables) {
        throw new ProblemError(
          problem(
            'TABLE_LIMIT',
            `the keyspace ${this.#cql.keyspace} holds ${present.length} of at most ${this.#maxTables} tables; each costs memory on every node of the cluster`,
          ),
        );
      }
      for (const table of missing)
        await this.#cql.define(createTable(this.#cql.keyspace, nameOfTable(table)));
    });
  }

  /** Drops a table on all nodes, with its files; nothing happens where there is none. */
  async drop(table: TableRef): Promise<void> {
    this.#made.delete(nameOfTable(table));
    await this.#lock(() =>
      this.#cql.define(`DROP TABLE IF EXISTS ${this.#cql.keyspace}.${nameOfTable(table)}`),
    );
  }
}

function missingOf(wanted: readonly TableRef[], present: readonly TableRef[]): readonly TableRef[] {
  const names = new Set(present.map(nameOfTable));
  return wanted.filter(table => !names.has(nameOfTable(table)));
}
