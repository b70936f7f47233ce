import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Database, RootDatabase } from 'lmdb';
import type { TableRef } from '../../ports/online-store.ts';
import { nameOfTable, tableOfName } from './table-names.ts';

/** A named database of packed rows by encoded entity key. */
export type RowDatabase = Database<Buffer, Uint8Array>;

/** The named databases of an environment that hold rows, opened once per process; other processes may add and drop them. */
export class LmdbTables {
  readonly #root: RootDatabase<unknown, string>;
  readonly #maxTables: number;
  readonly #open = new Map<string, RowDatabase>();

  constructor(root: RootDatabase<unknown, string>, maxTables: number) {
    this.#root = root;
    this.#maxTables = maxTables;
  }

  /** Names of all tables in the environment, as of its last commit by any process. */
  list(): readonly TableRef[] {
    this.#root.resetReadTxn();
    const tables: TableRef[] = [];
    for (const name of this.#root.getKeys()) {
      const table = typeof name === 'string' ? tableOfName(name) : undefined;
      if (table !== undefined) tables.push(table);
    }
    return tables;
  }

  /** Opens or creates a table. Throws a ProblemError TABLE_LIMIT where the environment holds as many as it may. */
  ensure(table: TableRef): void {
    const name = nameOfTable(table);
    if (this.#open.has(name)) return;
    if (!this.#exists(name) && this.list().length >= this.#maxTables)
      throw new ProblemError(problem('TABLE_LIMIT', `the store holds ${this.#maxTables} tables`));
    this.#open.set(name, this.#openDatabase(name));
  }

  /** The table, where it exists. Throws a ProblemError STORE_UNAVAILABLE where it does not: a missing table is no missing key. */
  get(table: TableRef): RowDatabase {
    const name = nameOfTable(table);
    const open = this.#open.get(name);
    if (open !== undefined) return open;
    this.#root.resetReadTxn();
    if (!this.#exists(name)) throw new ProblemError(problem('STORE_UNAVAILABLE', 'the table does not exist'));
    const opened = this.#openDatabase(name);
    this.#open.set(name, opened);
    return opened;
  }

  /** Throws as `get` does where another process has dropped the table since it was opened here. */
  assertExists(table: TableRef): void {
    if (this.#exists(nameOfTable(table))) return;
    throw new ProblemError(problem('STORE_UNAVAILABLE', 'the table was dropped'));
  }

  /** Drops a table; nothing happens where there is none. */
  async drop(table: TableRef): Promise<void> {
    const name = nameOfTable(table);
    this.#root.resetReadTxn();
    if (!this.#exists(name)) {
      this.#open.delete(name);
      return;
    }
    const database = this.get(table);
    this.#open.delete(name);
    await database.drop();
  }

  #exists(name: string): boolean {
    // `doesExist` does not see named databases; the list of keys does.
    const [found] = this.#root.getKeys({ start: name, limit: 1 });
    return found === name;
  }

  #openDatabase(name: string): RowDatabase {
    return this.#root.openDB<Buffer, Uint8Array>({ name, encoding: 'binary', keyEncoding: 'binary' });
  }
}
