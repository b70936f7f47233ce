import { rowEventTimeUs } from '@featuremesh/domain/packed-row';
import { compareRows, wins } from '@featuremesh/domain/row-order';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { ApplyOutcome, StoredRow, TableRef } from '../../ports/online-store.ts';
import { bufferOf, type Call, type Cql } from './cql.ts';
import { RowCounts } from './row-counts.ts';
import { listOf, planBatches, planSlate, type SlateKind, SlateTraffic } from './slate-plan.ts';
import { nameOfTable, statementsOf, type TableStatements } from './table-statements.ts';

/** Rows of one page of a scan or count that the server reads at once. */
const PAGE_ROWS = 1_000;

/** Packed rows in the groups' tables. */
export class StoredRows {
  readonly #cql: Cql;
  readonly #counts: RowCounts;
  readonly #kind: SlateKind | undefined;
  /** The very same text for each statement of a table: the driver looks prepared ones up by it. */
  readonly #statements = new WeakMap<TableRef, TableStatements>();
  readonly #traffic: SlateTraffic;

  /** `kind`: how slates are read, where it is not to be judged each time. */
  constructor(cql: Cql, clock: MonotonicClock, { kind }: { readonly kind?: SlateKind } = {}) {
    this.#cql = cql;
    this.#counts = new RowCounts(clock);
    this.#traffic = new SlateTraffic(clock);
    this.#kind = kind;
  }

  /**
   * Writes the greatest row of each key, blindly: what the server holds is not read, its own rule lets the greatest stay. `older` counts
   * the rows that lost within this call only. Resolves when the consistency of `call` has all of them.
   */
  async write(table: TableRef, rows: readonly StoredRow[], call: Call): Promise<ApplyOutcome> {
    const { write } = this.#of(table);
    const winners = winnersOf(rows);
    const batches = planBatches(winners, this.#cql.replicaOf(winners[0]?.key));
    await Promise.all(batches.map(batch => this.#writeBatch(write, batch, call)));
    return { applied: winners.length, older: rows.length - winners.length };
  }

  async #writeBatch(statement: string, batch: readonly StoredRow[], call: Call): Promise<void> {
    const [first] = batch;
    if (first === undefined) return;
    const values = batch.map(({ key, row }) => [bufferOf(key), bufferOf(row), timestampOf(row)]);
    const [only = []] = values;
    await (values.length === 1
      ? this.#cql.execute(statement, only, call)
      : this.#cql.write(statement, values, { ...call, routingKey: bufferOf(first.key) }));
  }

  /** The rows of `keys` in their order; `settled` sees all that was acknowledged before. */
  async read(
    table: TableRef,
    keys: readonly Uint8Array[],
    how: { readonly settled: boolean; readonly expired: AbortSignal },
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const judged = this.#traffic.begins(keys.length);
    const kind = this.#kind ?? judged;
    try {
      const call = { as: how.settled ? 'settled-read' : 'read', expired: how.expired } as const;
      const asked = keys.map(bufferOf);
      return await (kind === 'singles'
        ? this.#readSingly(table, asked, call)
        : this.#readTogether(table, asked, call));
    } finally {
      this.#traffic.ends(keys.length);
    }
  }

  async #readSingly(
    table: TableRef,
    keys: readonly Buffer[],
    call: Call,
  ): Promise<readonly (Buffer | undefined)[]> {
    const { readOne } = this.#of(table);
    const answers = await Promise.all(keys.map(key => this.#cql.execute(readOne, [key], call)));
    return answers.map(({ rows }) => rows[0]?.['v'] as Buffer | undefined);
  }

  async #readTogether(
    table: TableRef,
    keys: readonly Buffer[],
    call: Call,
  ): Promise<readonly (Buffer | undefined)[]> {
    const { readSome } = this.#of(table);
    const ids = keys.map(idOf);
    const parts = planSlate(keys, ids, this.#cql.replicaOf(keys[0]));
    const answers = await Promise.all(
      parts.map(part =>
        // Left to itself the driver takes the whole list for the key of one row, and a node by chance.
        this.#cql.execute(readSome, [listOf(part)], { ...call, routingKey: part[0], rows: part.length }),
      ),
    );
    const found = new Map<string, Buffer>();
    for (const { rows } of answers)
      for (const row of rows) found.set(idOf(row['k'] as Buffer), row['v'] as Buffer);
    return ids.map(id => found.get(id));
  }

  /** Rows in the order of the ring (token, then key), from after a key. */
  async scan(
    table: TableRef,
    options: { readonly after?: Uint8Array; readonly limit: number },
    expired: AbortSignal,
  ): Promise<readonly StoredRow[]> {
    const { scanStart, scanAfter } = this.#of(table);
    const { after, limit } = options;
    // One more than asked, since the range begins with the row that was the last one, where it still is.
    const answer =
      after === undefined
        ? await this.#cql.page(scanStart, [limit], { rows: limit, expired })
        : await this.#cql.page(scanAfter, [bufferOf(after), limit + 1], { rows: limit + 1, expired });
    const rows = answer.rows.map(row => ({
      key: row['k'] as Buffer,
      row: row['v'] as Buffer,
      token: row['t'] as bigint,
    }));
    const first = rows[0];
    const following =
      after === undefined || first === undefined
        ? rows
        : rows.filter(({ key, token }) => token !== first.token || compareRows(key, after) > 0);
    return following.slice(0, limit).map(({ key, row }) => ({ key, row }));
  }

  /**
   * Removes rows by tombstones that carry their rows' event times, never the present: a later row is not hidden, whenever it comes. One of
   * the same event time would be, which is why only rows are purged that would be refused for that time.
   */
  async purge(table: TableRef, rows: readonly StoredRow[], expired: AbortSignal): Promise<void> {
    const { remove } = this.#of(table);
    await Promise.all(
      rows.map(({ key, row }) =>
        this.#cql.execute(remove, [rowEventTimeUs(row), bufferOf(key)], { as: 'write', expired }),
      ),
    );
  }

  #of(table: TableRef): TableStatements {
    let statements = this.#statements.get(table);
    if (statements === undefined) {
      statements = statementsOf(this.#cql.keyspace, table);
      this.#statements.set(table, statements);
    }
    return statements;
  }

  /** The table is gone, and what is remembered of it. */
  forget(table: TableRef): void {
    this.#counts.forget(nameOfTable(table));
  }

  /** Number of keys; the server reads all of them, so that of a large table it is up to a minute old. */
  async count(table: TableRef, expired: AbortSignal): Promise<number> {
    const { count } = this.#of(table);
    return this.#counts.of(nameOfTable(table), async () => {
      const { rows } = await this.#cql.page(count, [], { rows: PAGE_ROWS, expired });
      return Number(rows[0]?.['n'] ?? 0);
    });
  }
}

function winnersOf(rows: readonly StoredRow[]): readonly StoredRow[] {
  if (rows.length < 2) return rows;
  const greatest = new Map<string, StoredRow>();
  for (const each of rows) {
    const id = idOf(bufferOf(each.key));
    if (wins(each.row, greatest.get(id)?.row)) greatest.set(id, each);
  }
  return greatest.size === rows.length ? rows : [...greatest.values()];
}

/** A key as a member of maps. */
function idOf(key: Buffer): string {
  return key.toString('latin1');
}

/** The row's event time as the server takes it: its first eight bytes, with the sign bit as it was. */
function timestampOf(row: Uint8Array): Buffer {
  const timestamp = Buffer.allocUnsafe(8);
  timestamp.set(row.subarray(0, 8));
  timestamp[0] = (row[0] ?? 0) ^ 0x80;
  return timestamp;
}
