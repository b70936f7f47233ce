import type { Position } from '@featuremesh/domain/position';
import type {
  ApplyOutcome,
  ApplyStep,
  IdempotencyRecord,
  LeaseRef,
  LeaseRequest,
  OnlineStore,
  ReadOptions,
  StoredRow,
  TableRef,
} from '../../ports/online-store.ts';
import type { StampBounds } from '../../ports/stamp-bounds.ts';
import type { CopyStates, StoreCopies } from '../../ports/store-copies.ts';
import { AppliedRecords, type Turn } from './applied-records.ts';
import { ApplyWindow } from './apply-window.ts';
import { CassandraConnection } from './cassandra-connection.ts';
import {
  APPLY_DEADLINE_MS,
  type CassandraStoreOptions,
  REQUEST_DEADLINE_MS,
  SCAN_DEADLINE_MS,
  SCHEMA_DEADLINE_MS,
} from './cassandra-options.ts';
import { CassandraTables } from './cassandra-tables.ts';
import type { ControlRecords } from './control-records.ts';
import type { Cql } from './cql.ts';
import { IdempotencyRecords } from './idempotency-records.ts';
import { NOT_CONNECTED } from './node-watch.ts';
import { StoredRows } from './stored-rows.ts';

/** Everything that a connected store is made of. */
interface Connected {
  readonly cql: Cql;
  readonly rows: StoredRows;
  readonly tables: CassandraTables;
  readonly applied: AppliedRecords;
  readonly idempotency: IdempotencyRecords;
  readonly control: ControlRecords;
}

/**
 * The online store on Cassandra. A step is not one transaction: its rows and its idempotency record are written first, then the
 * positions and the watermark that claim them, so that a crash in between repeats a step and loses none; rows are whole, and repeating
 * changes nothing. A step has resolved when all of that is written. Any number of processes may work on one keyspace.
 *
 * It may be used before it is connected: until then everything rejects with STORE_UNAVAILABLE and `failure` says why.
 */
export class CassandraOnlineStore implements OnlineStore, StampBounds, StoreCopies {
  readonly #connection: CassandraConnection<Connected>;
  readonly #onCrashPoint: CassandraStoreOptions['onCrashPoint'];
  readonly #window = new ApplyWindow();

  constructor(options: CassandraStoreOptions) {
    const { clock, maxTables, onCrashPoint } = options;
    this.#onCrashPoint = onCrashPoint;
    this.#connection = new CassandraConnection(options, 'online store', ({ cql, control, lock }) => ({
      cql,
      control,
      rows: new StoredRows(cql, clock),
      tables: new CassandraTables(cql, maxTables, lock),
      applied: new AppliedRecords(cql),
      idempotency: new IdempotencyRecords(cql, () => clock.nowMs()),
    }));
  }

  /** Connects and brings the schema up once. Rejects with STORE_UNAVAILABLE, whose detail says plainly what is wrong. */
  connect(): Promise<void> {
    return this.#connection.connect();
  }

  /** Goes on trying to connect, then looks again and again whether the schema and the permissions are as they should be. */
  keepConnected(): void {
    this.#connection.keepConnected();
  }

  /** Why the store cannot do its work, for readiness; undefined where it can. */
  failure(): string | undefined {
    return this.#connection.failure();
  }

  /** True once its keyspace was lost and made anew since this process connected first. */
  isReplaced(): boolean {
    return this.#connection.isReplaced();
  }

  /** Which nodes are away, of all data centres; all of them while none is connected. */
  copies(): CopyStates {
    return this.#connection.connected()?.cql.copies() ?? NOT_CONNECTED;
  }

  async ensureTables(tables: readonly TableRef[]): Promise<void> {
    await this.#within(SCHEMA_DEADLINE_MS, parts => parts.tables.ensure(tables));
  }

  async dropTable(table: TableRef): Promise<void> {
    await this.#within(SCHEMA_DEADLINE_MS, async ({ tables, rows }) => {
      rows.forget(table);
      await tables.drop(table);
    });
  }

  async listTables(): Promise<readonly TableRef[]> {
    return this.#within(REQUEST_DEADLINE_MS, parts => parts.tables.list());
  }

  async apply(step: ApplyStep): Promise<ApplyOutcome> {
    const parts = this.#connection.parts();
    const { watermark, rows } = step;
    const turn = watermark === undefined ? undefined : parts.applied.takeTurn(watermark.name);
    try {
      return await this.#window.run(rows.length, () => this.#applyNow(parts, step, turn));
    } finally {
      turn?.done();
    }
  }

  async #applyNow(parts: Connected, step: ApplyStep, turn: Turn | undefined): Promise<ApplyOutcome> {
    const { watermark, idempotency, lease, rows } = step;
    let claiming: Promise<void> | undefined;
    const outcome = await parts.cql.within(APPLY_DEADLINE_MS, async expired => {
      if (lease !== undefined) await parts.control.assertLease(lease, expired);
      const [written] = await Promise.all([
        rows.length === 0
          ? NOTHING
          : parts.rows.write(step.table, rows, {
              as: step.everywhere ? 'write-everywhere' : 'write',
              expired,
            }),
        idempotency === undefined ? undefined : parts.idempotency.remember(idempotency, expired),
      ]);
      if (this.#onCrashPoint !== undefined && rows.length > 0) await this.#onCrashPoint('store/rows-written');
      await turn?.before;
      const moved = watermark === undefined || (await parts.applied.moves(watermark, expired));
      // At once, also past the deadline: a step behind this one may claim what it moved, and would leave its positions behind.
      if (moved) claiming = parts.applied.claim(watermark, step.positions ?? []);
      claiming?.catch(() => undefined);
      return written;
    });
    turn?.done();
    await claiming;
    return outcome;
  }

  async read(
    table: TableRef,
    keys: readonly Uint8Array[],
    options: ReadOptions = {},
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const settled = options.settled === true;
    return this.#within(REQUEST_DEADLINE_MS, ({ rows }, expired) =>
      rows.read(table, keys, { settled, expired }),
    );
  }

  async scan(
    table: TableRef,
    options: { readonly after?: Uint8Array; readonly limit: number },
  ): Promise<readonly StoredRow[]> {
    return this.#within(SCAN_DEADLINE_MS, ({ rows }, expired) => rows.scan(table, options, expired));
  }

  async purge(table: TableRef, rows: readonly StoredRow[]): Promise<void> {
    await this.#within(SCAN_DEADLINE_MS, (parts, expired) => parts.rows.purge(table, rows, expired));
  }

  async countRows(table: TableRef): Promise<number> {
    return this.#within(SCAN_DEADLINE_MS, ({ rows }, expired) => rows.count(table, expired));
  }

  async watermark(name: string): Promise<number> {
    return this.#within(REQUEST_DEADLINE_MS, ({ applied }, expired) => applied.watermark(name, expired));
  }

  async appliedPosition(of: Omit<Position, 'sequence'>): Promise<number> {
    return this.#within(REQUEST_DEADLINE_MS, ({ applied }, expired) => applied.position(of, expired));
  }

  async appliedPositions(groupId: string): Promise<readonly Position[]> {
    return this.#within(REQUEST_DEADLINE_MS, ({ applied }, expired) => applied.positions(groupId, expired));
  }

  async idempotency(id: string): Promise<IdempotencyRecord | undefined> {
    return this.#within(REQUEST_DEADLINE_MS, ({ idempotency }, expired) => idempotency.find(id, expired));
  }

  async countIdempotency(): Promise<number> {
    return this.#within(SCAN_DEADLINE_MS, ({ idempotency }, expired) => idempotency.count(expired));
  }

  async sweepIdempotency(beforeMs: number, limit: number): Promise<number> {
    return this.#within(SCAN_DEADLINE_MS, ({ idempotency }, expired) =>
      idempotency.sweep(beforeMs, limit, expired),
    );
  }

  async acquireLease(lease: LeaseRequest): Promise<LeaseRef | undefined> {
    return this.#within(APPLY_DEADLINE_MS, ({ control }, expired) => control.acquire(lease, expired));
  }

  async stampBoundUs(slot: number): Promise<bigint> {
    return this.#within(REQUEST_DEADLINE_MS, ({ control }, expired) => control.boundUs(slot, expired));
  }

  async raiseStampBound(bound: { slot: number; upToUs: bigint; lease: LeaseRef }): Promise<void> {
    await this.#within(APPLY_DEADLINE_MS, ({ control }, expired) => control.raiseBound(bound, expired));
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  #within<T>(deadlineMs: number, work: (parts: Connected, expired: AbortSignal) => Promise<T>): Promise<T> {
    return this.#connection.within(deadlineMs, work);
  }
}

const NOTHING: ApplyOutcome = { applied: 0, older: 0 };
