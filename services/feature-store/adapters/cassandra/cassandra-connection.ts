import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Repetition } from '@featuremesh/runtime/timer';
import type { LeaseRef } from '../../ports/online-store.ts';
import { storeProblem } from './cassandra-errors.ts';
import { APPLY_DEADLINE_MS, type CassandraStoreOptions, SCHEMA_DEADLINE_MS } from './cassandra-options.ts';
import { ControlRecords } from './control-records.ts';
import { Cql } from './cql.ts';
import { bringUpSchema, type Incarnation, isGone, type SchemaLock, verifySchema } from './schema.ts';

/** Pause between two tries to connect, and between two looks at whether the schema is still as it should be. */
const CONNECT_RETRY_MS = 2_000;
const VERIFY_EVERY_MS = 5_000;

/** Length of the schema lock: longer than making any one table; renewed by no one, so that a dead process frees it. */
const SCHEMA_LEASE_MS = 30_000;
const SCHEMA_LOCK_POLL_MS = 200;
const SCHEMA_LEASE = 'schema';

/** What works on a connected keyspace is built from. */
export interface ConnectedKeyspace {
  readonly cql: Cql;
  readonly control: ControlRecords;
  readonly lock: SchemaLock;
}

/**
 * A connection that comes and goes, with the product's schema brought up under its lock. Until it is there everything rejects with
 * STORE_UNAVAILABLE and `failure` says why; `partsOf` builds what the user works with, anew for each connection.
 */
export class CassandraConnection<Parts> {
  readonly #options: CassandraStoreOptions;
  readonly #what: string;
  readonly #partsOf: (keyspace: ConnectedKeyspace) => Parts;
  readonly #holder: string;
  #connected: { readonly cql: Cql; readonly parts: Parts } | undefined;
  #connecting: Promise<void> | undefined;
  #failure: string | undefined = 'not connected to Cassandra yet';
  #watch: Repetition | undefined;
  #verifiedAtMs = Number.NEGATIVE_INFINITY;
  /** When the keyspace that is worked on was made; undefined until it is known. */
  #madeAtMs: number | undefined;
  #isReplaced = false;
  #closed = false;

  /** `what`: what it is for, in the log: `online store`, `registry`. */
  constructor(options: CassandraStoreOptions, what: string, partsOf: (keyspace: ConnectedKeyspace) => Parts) {
    this.#options = options;
    this.#what = what;
    this.#partsOf = partsOf;
    this.#holder = `schema-${options.random.base32(16)}`;
  }

  /** Connects and brings the schema up once. Rejects with STORE_UNAVAILABLE, whose detail says plainly what is wrong. */
  connect(): Promise<void> {
    if (this.#connected !== undefined) return Promise.resolve();
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  /** Goes on trying to connect, then looks again and again whether the schema and the permissions are as they should be. */
  keepConnected(): void {
    this.#watch ??= this.#options.timer.every(CONNECT_RETRY_MS, () => this.#look());
  }

  /** Why it cannot be worked on, for readiness; undefined where it can. */
  failure(): string | undefined {
    return this.#failure;
  }

  /** True once the keyspace is not the one any more that was worked on first: all that this process knows of it counts for nothing. */
  isReplaced(): boolean {
    return this.#isReplaced;
  }

  /** What was built for the connection; undefined while there is none. */
  connected(): Parts | undefined {
    return this.#connected?.parts;
  }

  /** What was built for the connection. Throws STORE_UNAVAILABLE while there is none. */
  parts(): Parts {
    return this.#current().parts;
  }

  /** Runs work made of statements within a deadline; what the driver throws becomes a ProblemError STORE_UNAVAILABLE. */
  async within<T>(deadlineMs: number, work: (parts: Parts, expired: AbortSignal) => Promise<T>): Promise<T> {
    const { cql, parts } = this.#current();
    return cql.within(deadlineMs, expired => work(parts, expired));
  }

  /** Ends the connection for good. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#watch?.stop();
    const connected = this.#connected;
    this.#connected = undefined;
    await connected?.cql.close();
  }

  async #connect(): Promise<void> {
    let cql: Cql | undefined;
    try {
      cql = await Cql.connect(this.#options);
      const { clock, timer, random, localDataCentre, replication } = this.#options;
      const control = new ControlRecords(cql, { clock, timer, random });
      const lock = this.#lockOf(cql, control);
      const schema = { cql, localDataCentre, replication, nowMs: () => clock.nowMs() };
      this.#recognise(await bringUpSchema(schema, lock));
      if (this.#closed) throw new ProblemError(problem('STORE_UNAVAILABLE', `the ${this.#what} is closed`));
      this.#connected = { cql, parts: this.#partsOf({ cql, control, lock }) };
      this.#noteFailure(undefined);
    } catch (error) {
      await cql?.close().catch(() => undefined);
      const failed = error instanceof ProblemError ? error.problem : storeProblem(error);
      this.#noteFailure(failed.detail);
      throw new ProblemError(failed, { cause: error });
    }
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
        this.#recognise(await connected.cql.within(APPLY_DEADLINE_MS, () => verifySchema(connected.cql)));
        this.#verifiedAtMs = nowMs;
        this.#noteFailure(undefined);
      }
    } catch (error) {
      this.#noteFailure(error instanceof ProblemError ? error.problem.detail : storeProblem(error).detail);
      if (connected !== undefined) await this.#leaveGone(connected.cql).catch(() => undefined);
    }
  }

  #recognise({ madeAtMs }: Incarnation): void {
    if (madeAtMs === undefined) return;
    this.#madeAtMs ??= madeAtMs;
    this.#isReplaced ||= this.#madeAtMs !== madeAtMs;
  }

  /** Connecting anew makes a keyspace that is gone. */
  async #leaveGone(cql: Cql): Promise<void> {
    if (!(await cql.within(APPLY_DEADLINE_MS, () => isGone(cql)))) return;
    this.#noteFailure('the keyspace in Cassandra is gone, and with it all rows; it is made anew');
    this.#connected = undefined;
    await cql.close();
  }

  #noteFailure(reason: string | undefined): void {
    if (reason !== this.#failure) {
      const { logger } = this.#options;
      if (reason === undefined) logger.info({}, `the ${this.#what} in Cassandra is ready`);
      else logger.error({ reason }, `the ${this.#what} in Cassandra is not ready`);
    }
    this.#failure = reason;
  }

  #current(): { readonly cql: Cql; readonly parts: Parts } {
    if (this.#connected !== undefined) return this.#connected;
    const why = this.#closed
      ? `the ${this.#what} is closed`
      : (this.#failure ?? 'not connected to Cassandra');
    throw new ProblemError(problem('STORE_UNAVAILABLE', why));
  }
}
