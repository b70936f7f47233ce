import { rowEventTimeUs } from '@featuremesh/domain/packed-row';
import { compareRows, wins } from '@featuremesh/domain/row-order';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { ApplyOutcome, StoredRow, TableRef } from '../../ports/online-store.ts';
import type { Cql } from './cql.ts';
import { RowCounts } from './row-counts.ts';
import { planSlate, type SlatePlan, slateKind } from './slate-plan.ts';
import { nameOfTable, statementsOf } from './table-statements.ts';

/** Rows of one page of a scan or count that the server reads at once. */
const PAGE_ROWS = 1_000;

/** Packed rows in the groups' tables. */
export class StoredRows {
  readonly #cql: Cql;
  readonly #counts: RowCounts;
  readonly #kind: SlatePlan['kind'] | undefined;

  /** `kind`: how slates are read, where it is not to be judged each time. */
  constructor(cql: Cql, clock: MonotonicClock, { kind }: { readonly kind?: SlatePlan['kind'] } = {}) {
    this.#cql = cql;
    this.#counts = new RowCounts(clock);
    this.#kind = kind;
  }

  /**
   * Writes the greatest row of each key, blindly: what the server holds is not read, its own rule lets the greatest stay. `older` counts
   * the rows that lost within this call only. Resolves when the configured consistency has all of them.
   */
  async write(table: TableRef, rows: readonly StoredRow[], expired: AbortSignal): Promise<ApplyOutcome> {
    const { write } = statementsOf(this.#cql.keyspace, table);
    const winners = winnersOf(rows);
    await Promise.all(
      winners.map(({ key, row }) =>
        this.#cql.execute(write, [bufferOf(key), bufferOf(row), rowEventTimeUs(row)], {
          as: 'write',
          expired,
        }),
      ),
    );
    return { applied: winners.length, older: rows.length - winners.length };
  }

  /** The rows of `keys` in their order; `settled` sees all that was acknowledged before. */
  async read(
    table: TableRef,
    keys: readonly Uint8Array[],
    how: { readonly settled: boolean; readonly expired: AbortSignal },
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const { readOne, readSome } = statementsOf(this.#cql.keyspace, table);
    const call = { as: how.settled ? 'settled-read' : 'read', expired: how.expired } as const;
    const kind = this.#kind ?? slateKind(keys.length, this.#cql.statementsInFlight);
    const slate = planSlate(kind, keys.map(bufferOf), key => this.#cql.replicasOf(key));
    if (slate.kind === 'singles') {
      const answers = await Promise.all(slate.keys.map(key => this.#cql.execute(readOne, [key], call)));
      return answers.map(({ rows }) => rows[0]?.['v'] as Buffer | undefined);
    }
    const answers = await Promise.all(slate.parts.map(part => this.#cql.execute(readSome, [part], call)));
    const found = new Map<string, Buffer>();
    for (const { rows } of answers) {
      for (const row of rows) found.set((row['k'] as Buffer).toString('latin1'), row['v'] as Buffer);
    }
    return keys.map(key => found.get(bufferOf(key).toString('latin1')));
  }

  /** Rows in the order of the ring (token, then key), from after a key. */
  async scan(
    table: TableRef,
    options: { readonly after?: Uint8Array; readonly limit: number },
    expired: AbortSignal,
  ): Promise<readonly StoredRow[]> {
    const { scanStart, scanAfter } = statementsOf(this.#cql.keyspace, table);
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
    const { remove } = statementsOf(this.#cql.keyspace, table);
    await Promise.all(
      rows.map(({ key, row }) =>
        this.#cql.execute(remove, [rowEventTimeUs(row), bufferOf(key)], { as: 'write', expired }),
      ),
    );
  }

  /** The table is gone, and what is remembered of it. */
  forget(table: TableRef): void {
    this.#counts.forget(nameOfTable(table));
  }

  /** Number of keys; the server reads all of them, so that of a large table it is up to a minute old. */
  async count(table: TableRef, expired: AbortSignal): Promise<number> {
    const { count } = statementsOf(this.#cql.keyspace, table);
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
    const id = bufferOf(each.key).toString('latin1');
    if (wins(each.row, greatest.get(id)?.row)) greatest.set(id, each);
  }
  return greatest.size === rows.length ? rows : [...greatest.values()];
}

function bufferOf(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
