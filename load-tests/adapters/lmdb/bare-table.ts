import { type Database, open, type RootDatabase } from 'lmdb';

/** One row as it is kept bare. */
export interface BareRow {
  readonly key: string;
  readonly bytes: Uint8Array;
}

/** A table in an LMDB file of its own, written in transactions, and nothing else: what LMDB leaves to a store. */
export class BareTable {
  readonly #root: RootDatabase<unknown, string>;
  readonly #rows: Database<Uint8Array, string>;

  constructor(folder: string) {
    this.#root = open<unknown, string>({ path: folder, noSubdir: false });
    this.#rows = this.#root.openDB<Uint8Array, string>({ name: 'rows', encoding: 'binary' });
  }

  /** Resolves when the rows can be read. */
  async put(rows: readonly BareRow[]): Promise<void> {
    await this.#root.transaction(() => {
      for (const { key, bytes } of rows) this.#rows.putSync(key, bytes);
    });
  }

  async close(): Promise<void> {
    await this.#root.close();
  }
}
