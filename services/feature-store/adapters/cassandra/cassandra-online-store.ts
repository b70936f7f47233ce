import type { Position } from '@featuremesh/domain/position';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Repetition } from '@featuremesh/runtime/timer';
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
import { AppliedRecords } from './applied-records.ts';
import { storeProblem } from './cassandra-errors.ts';
import {
  APPLY_DEADLINE_MS,
  type CassandraStoreOptions,
  REQUEST_DEADLINE_MS,
  SCAN_DEADLINE_MS,
  SCHEMA_DEADLINE_MS,
} from './cassandra-options.ts';
import { CassandraTables } from './cassandra-tables.ts';
import { ControlRecords } from './control-records.ts';
import { Cql } from './cql.ts';
import { IdempotencyRecords } from './idempotency-records.ts';
import { bringUpSchema, type SchemaLock, verifySchema } from './schema.ts';
import { StoredRows } from './stored-rows.ts';

/** Pause between two tries to connect, and between two looks at whether the schema is still as it should be. */
const CONNECT_RETRY_MS = 2_000;
const VERIFY_EVERY_MS = 5_000;

/** Length of the schema lock: longer than making any one table; renewed by no one, so that a dead process frees it. */
const SCHEMA_LEASE_MS = 30_000;
const SCHEMA_LOCK_POLL_MS = 200;
const SCHEMA_LEASE = 'schema';

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
export class CassandraOnlineStore implements OnlineStore, StampBounds {
  readonly #options: CassandraStoreOptions;
  readonly #holder: string;
  #connected: Connected | undefined;
  #failure: string | undefined = 'not connected to Cassandra yet';
  #watch: Repetition | undefined;
  #verifiedAtMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: CassandraStoreOptions) {
    this.#options = options;
    this.#holder = `schema-${options.random.base32(16)}`;
  }

  /** Connects and brings the schema up once. Rejects with STORE_UNAVAILABLE, whose detail says plainly what is wrong. */
  async connect(): Promise<void> {
    if (this.#connected !== undefined) return;
    let cql: Cql | undefined;
    try {
      cql = await Cql.connect(this.#options);
      const parts = this.#partsOf(cql);
      await this.#bringUp(parts);
      this.#connected = parts;
      this.#noteFailure(undefined);
    } catch (error) {
      await cql?.close().catch(() => undefined);
      const failed = error instanceof ProblemError ? error.problem : storeProblem(error);
      this.#noteFailure(failed.detail);
      throw new ProblemError(failed, { cause: error });
    }
  }

  /** Goes on trying to connect, then looks again and again whether the schema and the permissions are as they should be. */
  keepConnected(): void {
    this.#watch ??= this.#options.timer.every(CONNECT_RETRY_MS, () => this.#look());
  }

  /** Why the store cannot do its work, for readiness; undefined where it can. */
  failure(): string | undefined {
    return this.#failure;
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
    const parts = this.#parts();
    const { watermark, idempotency, lease, rows } = step;
    const turn = watermark === undefined ? undefined : parts.applied.takeTurn(watermark.name);
    let claiming: Promise<void> | undefined;
    try {
      const outcome = await parts.cql.within(APPLY_DEADLINE_MS, async expired => {
        if (lease !== undefined) await parts.control.assertLease(lease, expired);
        const [written] = await Promise.all([
          rows.length === 0 ? NOTHING : parts.rows.write(step.table, rows, expired),
          idempotency === undefined ? undefined : parts.idempotency.remember(idempotency, expired),
        ]);
        const { onCrashPoint } = this.#options;
        if (onCrashPoint !== undefined && rows.length > 0) await onCrashPoint('store/rows-written');
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
    } finally {
      turn?.done();
    }
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

  async close(): Promise<void> {
    this.#closed = true;
    this.#watch?.stop();
    const connected = this.#connected;
    this.#connected = undefined;
    await connected?.cql.close();
  }

  #partsOf(cql: Cql): Connected {
    const { clock, timer, random, maxTables } = this.#options;
    const control = new ControlRecords(cql, { clock, timer, random });
    return {
      cql,
      control,
      rows: new StoredRows(cql, clock),
      tables: new CassandraTables(cql, maxTables, this.#lockOf(cql, control)),
      applied: new AppliedRecords(cql),
      idempotency: new IdempotencyRecords(cql, () => clock.nowMs()),
    };
  }

  async #bringUp({ cql, control }: Connected): Promise<void> {
    const { localDataCentre, replication, clock } = this.#options;
    const schema = { cql, localDataCentre, replication, nowMs: () => clock.nowMs() };
    await bringUpSchema(schema, this.#lockOf(cql, control));
  }

  /** One process at a time changes the schema: two that make one table at once would leave the nodes with two identities of it. */
  #lockOf(cql: Cql, control: ControlRecords): SchemaLock {
    const { clock, timer } = this.#options;
    let queue: Promise<unknown> = Promise.resolve();
    const locked = async <T>(work: () => Promise<T>): Promise<T> => {
      const lease = (forMs: number): Promise<LeaseRef | undefined> =>
        cql.within(APPLY_DEADLINE_MS, expired => {
          const nowMs = clock.nowMs();
          return control.acquire(
            { name: SCHEMA_LEASE, holder: this.#holder, nowMs, untilMs: nowMs + forMs },
            expired,
          );
        });
      const untilMs = clock.monotonicMs() + SCHEMA_DEADLINE_MS;
      while ((await lease(SCHEMA_LEASE_MS)) === undefined) {
        if (clock.monotonicMs() > untilMs)
          throw new ProblemError(problem('STORE_UNAVAILABLE', 'another process keeps changing the schema'));
        await timer.sleep(SCHEMA_LOCK_POLL_MS);
      }
      try {
        return await work();
      } finally {
        await lease(0).catch(() => undefined);
      }
    };
    return work => {
      const result = queue.then(() => locked(work));
      queue = result.catch(() => undefined);
      return result;
    };
  }

  async #look(): Promise<void> {
    if (this.#closed) return;
    const nowMs = this.#options.clock.monotonicMs();
    const connected = this.#connected;
    try {
      if (connected === undefined) await this.connect();
      else if (nowMs - this.#verifiedAtMs >= VERIFY_EVERY_MS || this.#failure !== undefined) {
        await connected.cql.within(APPLY_DEADLINE_MS, () => verifySchema(connected.cql));
        this.#verifiedAtMs = nowMs;
        this.#noteFailure(undefined);
      }
    } catch (error) {
      this.#noteFailure(error instanceof ProblemError ? error.problem.detail : storeProblem(error).detail);
    }
  }

  #noteFailure(reason: string | undefined): void {
    if (reason !== this.#failure) {
      if (reason === undefined) this.#options.logger.info({}, 'the online store in Cassandra is ready');
      else this.#options.logger.error({ reason }, 'the online store in Cassandra is not ready');
    }
    this.#failure = reason;
  }

  #parts(): Connected {
    if (this.#connected !== undefined) return this.#connected;
    throw new ProblemError(
      problem(
        'STORE_UNAVAILABLE',
        this.#closed ? 'the store is closed' : (this.#failure ?? 'not connected to Cassandra'),
      ),
    );
  }

  async #within<T>(
    deadlineMs: number,
    work: (parts: Connected, expired: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const parts = this.#parts();
    return parts.cql.within(deadlineMs, expired => work(parts, expired));
  }
}

const NOTHING: ApplyOutcome = { applied: 0, older: 0 };
