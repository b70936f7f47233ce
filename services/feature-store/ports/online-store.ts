import type { Position } from '@featuremesh/domain/position';

/** One (group, version, placement generation): the unit of creation, dropping and reading. */
export interface TableRef {
  readonly groupId: string;
  readonly version: number;
  readonly generation: number;
}

/** One packed row with its encoded entity key; the bytes are those that the origin packed (A3). */
export interface StoredRow {
  readonly key: Uint8Array;
  readonly row: Uint8Array;
}

/** What is remembered of a keyed write, so that a retry gets the first answer. */
export interface IdempotencyRecord {
  readonly id: string;
  readonly bodyHash: string;
  /** The chunk's first answer as JSON. */
  readonly answer: string;
  readonly storedAtMs: number;
}

/** One step of applying the log: rows, the watermark that covers them, and the idempotency record of their chunk. */
export interface ApplyStep {
  /** Looked at only where there are rows. */
  readonly table: TableRef;
  readonly rows: readonly StoredRow[];
  /**
   * The log position up to which this appender's chunks are now applied; never goes back (S7). With `after` it moves only where the
   * stored one is exactly that, so that steps issued one behind the other cannot pass one that failed; the rows are applied either way.
   */
  readonly watermark?: { readonly name: string; readonly sequence: number; readonly after?: number };
  /**
   * Where the rows come from, for reads `after` a position: (origin, feed epoch, group, appender) → sequence. Not claimed where the
   * step's watermark has to wait for a step before it, whose rows may be missing (V6).
   */
  readonly positions?: readonly Position[];
  readonly idempotency?: IdempotencyRecord;
  /** Refuses the whole step (STALE_LEASE) where the named lease has another epoch. */
  readonly lease?: LeaseRef;
  /** The rows are applied for copies that lack them: the step resolves when every copy of the store has them, and fails while one is away. */
  readonly everywhere?: true;
}

/** Who wants a right, and from when to when by its clock; `untilMs` at or before `nowMs` gives it back. */
export interface LeaseRequest {
  readonly name: string;
  readonly holder: string;
  readonly nowMs: number;
  readonly untilMs: number;
}

/** A fenced right, for instance to run the projector. */
export interface LeaseRef {
  readonly name: string;
  readonly epoch: number;
  /** Taken before its time was over, because its holder is known to be gone or wrong: what that one had begun may still land in the log. */
  readonly wasCutShort?: true;
  /** Given out on this machine alone, because the store does not answer: the store takes no step under it yet. */
  readonly isProvisional?: true;
}

/**
 * How an apply ended; `applied + older` is the number of rows: `older` lost to a newer or equal row of the step, or of the store where
 * that one compares before it writes.
 */
export interface ApplyOutcome {
  readonly applied: number;
  readonly older: number;
}

/** How rows are read. */
export interface ReadOptions {
  /** The read sees every step that had resolved before it, in any process; a store may otherwise answer a moment behind. */
  readonly settled?: boolean;
}

/**
 * A region's online store: the winning row per key, written by applying the log and by nothing else.
 *
 * Order: of two rows of one key the greater by `domain/row-order` stays, in any order of arrival, applied twice or once (S2–S4).
 * A step that resolved is readable by every process of the region, and none of it is lost. One that did not may have left rows behind
 * (repeating it changes nothing), but never a watermark, a position or a read row that claims what is not there.
 * Failures reject with a ProblemError `STORE_UNAVAILABLE`; a missing key is never a failure and a failure is never a missing key (V5).
 */
export interface OnlineStore {
  /** Opens or creates the tables; throws TABLE_LIMIT where the store may hold no more. Idempotent. */
  ensureTables(tables: readonly TableRef[]): Promise<void>;
  /** Drops a table and its rows; nothing of it is readable afterwards. Idempotent. */
  dropTable(table: TableRef): Promise<void>;
  listTables(): Promise<readonly TableRef[]>;
  /** Applies one step, watermark and positions after its rows or with them. Steps may be issued concurrently; the store may group them into one commit. */
  apply(step: ApplyStep): Promise<ApplyOutcome>;
  /** The packed rows of `keys`, in their order; undefined where there is none. Includes logical deletions. */
  read(
    table: TableRef,
    keys: readonly Uint8Array[],
    options?: ReadOptions,
  ): Promise<readonly (Uint8Array | undefined)[]>;
  /** Rows in an order of the store that never changes (of keys, or of a ring), from after the key `after`, for snapshots and digests. */
  scan(
    table: TableRef,
    options: { readonly after?: Uint8Array; readonly limit: number },
  ): Promise<readonly StoredRow[]>;
  /**
   * Removes rows for good: under the key of each, what has the event time of the row given or an earlier one. What is later stays, also
   * where it is applied at this moment. Nothing of that event time or before may be applied to the key again: a store may hide it.
   */
  purge(table: TableRef, rows: readonly StoredRow[]): Promise<void>;
  /** Number of keys held, deletions included. */
  countRows(table: TableRef): Promise<number>;
  /** A stored watermark; 0 where there is none. */
  watermark(name: string): Promise<number>;
  /** Applied sequence of (origin, feedEpoch, groupId, appender); 0 where nothing was applied. */
  appliedPosition(of: Omit<Position, 'sequence'>): Promise<number>;
  /** All applied positions of a group: the watermark vector of a snapshot. */
  appliedPositions(groupId: string): Promise<readonly Position[]>;
  idempotency(id: string): Promise<IdempotencyRecord | undefined>;
  /** Number of idempotency records held. */
  countIdempotency(): Promise<number>;
  /** Removes records stored before `beforeMs`, at most `limit`; returns how many. */
  sweepIdempotency(beforeMs: number, limit: number): Promise<number>;
  /** Takes or renews a lease until `untilMs`; undefined while another holder's lease is valid at `nowMs`. A change of holder raises the epoch. */
  acquireLease(lease: LeaseRequest): Promise<LeaseRef | undefined>;
  close(): Promise<void>;
}

/** What a store in this process's own memory can do beside `OnlineStore`. */
export interface RowVisits {
  /**
   * As `read`, at once and without a copy: hands the row of each key to `take`, in their order, undefined where there is none. The
   * bytes are valid until `take` returns. Throws as `read` rejects.
   */
  visit(table: TableRef, keys: readonly Uint8Array[], take: (row: Uint8Array | undefined) => void): void;
}
