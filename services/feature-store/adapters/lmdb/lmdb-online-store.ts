import { mkdirSync } from 'node:fs';
import { rowEventTimeUs } from '@featuremesh/domain/packed-row';
import type { Position } from '@featuremesh/domain/position';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { type RegionId, regionId } from '@featuremesh/domain/region-id';
import { wins } from '@featuremesh/domain/row-order';
import { isKnownGone, ownProcessMark } from '@featuremesh/runtime/process-mark';
import { type Database, open, type RootDatabase } from 'lmdb';
import { leaseKeepsOut } from '../../ports/lease.ts';
import type {
  ApplyOutcome,
  ApplyStep,
  IdempotencyRecord,
  LeaseRef,
  LeaseRequest,
  OnlineStore,
  RowVisits,
  StoredRow,
  TableRef,
} from '../../ports/online-store.ts';
import type { StampBounds } from '../../ports/stamp-bounds.ts';
import { assertLmdbFile } from './lmdb-file.ts';
import { idempotencyValueSchema, leaseRecordSchema, parseCount, parseRecord } from './lmdb-records.ts';
import { LmdbTables, type RowDatabase } from './lmdb-tables.ts';

/** Named databases beside the tables: meta, positions, idempotency, idempotency_times. */
const OTHER_DATABASES = 4;

/**
 * Address space reserved for the map. The file grows only with its data; one fixed reservation means that a growing store never
 * moves under a reader.
 */
const MAP_BYTES = 256 * 1024 ** 3;

/** What opening takes: the environment's folder and the bound on group tables in it. */
export interface LmdbOnlineStoreOptions {
  readonly path: string;
  readonly maxTables: number;
}

const mark = ownProcessMark();
/** Written beside every lease of this process. */
const PROCESS: { readonly process?: string } = mark === undefined ? {} : { process: mark };

/**
 * The online store on LMDB; several processes may have it open at once. Rows, watermark, positions and idempotency record of a step
 * are one transaction, in which rows are compared (A3).
 *
 * Durability: commits are visible at once and flushed shortly after (`overlappingSync`). After kill -9 nothing committed is missing;
 * after a power failure the environment is whole and stands at its last flushed transaction, watermark included, and FEED, which is
 * synced before a write is acknowledged, brings back the rest. A lost environment starts with watermark 0: what FEED still holds is
 * applied again, older rows come from a peer's snapshot.
 */
export class LmdbOnlineStore implements OnlineStore, RowVisits, StampBounds {
  readonly #root: RootDatabase<unknown, string>;
  readonly #tables: LmdbTables;
  readonly #meta: Database<unknown, string>;
  readonly #positions: Database<number, string>;
  readonly #idempotency: Database<unknown, string>;
  /** [stored at ms, id] → 1: what the sweep walks. */
  readonly #idempotencyTimes: Database<number, [number, string]>;
  #isFresh = false;

  private constructor(root: RootDatabase<unknown, string>, maxTables: number) {
    this.#root = root;
    this.#tables = new LmdbTables(root, maxTables);
    this.#meta = root.openDB({ name: 'meta', encoding: 'json' });
    this.#positions = root.openDB({ name: 'positions', encoding: 'json' });
    this.#idempotency = root.openDB({ name: 'idempotency', encoding: 'json' });
    this.#idempotencyTimes = root.openDB({ name: 'idempotency_times', encoding: 'json' });
  }

  /**
   * Opens or creates the environment in folder `path`. Throws a ProblemError STORE_UNAVAILABLE where that fails, CORRUPT_DATA for a damaged file.
   * A process opens it once: of two openings, one that makes or first touches a table stands still for ever while a step of the other runs.
   */
  static open(options: LmdbOnlineStoreOptions): LmdbOnlineStore {
    return guarded(() => {
      mkdirSync(options.path, { recursive: true });
      assertLmdbFile(options.path);
      const root = open<unknown, string>({
        path: options.path,
        noSubdir: false,
        maxDbs: options.maxTables + OTHER_DATABASES,
        mapSize: MAP_BYTES,
      });
      return new LmdbOnlineStore(root, options.maxTables);
    });
  }

  async ensureTables(tables: readonly TableRef[]): Promise<void> {
    guarded(() => {
      for (const table of tables) this.#tables.ensure(table);
    });
  }

  async dropTable(table: TableRef): Promise<void> {
    await guardedAsync(() => this.#tables.drop(table));
  }

  async listTables(): Promise<readonly TableRef[]> {
    return guarded(() => this.#tables.list());
  }

  async apply(step: ApplyStep): Promise<ApplyOutcome> {
    return guardedAsync(async () => {
      const table = step.rows.length === 0 ? undefined : this.#tables.get(step.table);
      return this.#root.transaction(() => this.#applyNow(step, table));
    });
  }

  async read(table: TableRef, keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    const found: (Uint8Array | undefined)[] = [];
    this.visit(table, keys, row => found.push(row === undefined ? undefined : copyOf(row)));
    return found;
  }

  visit(table: TableRef, keys: readonly Uint8Array[], take: (row: Uint8Array | undefined) => void): void {
    let isTaking = false;
    try {
      const database = this.#tables.get(table);
      this.#refresh();
      let missing = 0;
      for (const key of keys) {
        // The bytes are valid until the next get.
        const row = database.getBinaryFast(key);
        if (row === undefined) missing += 1;
        isTaking = true;
        take(row);
        isTaking = false;
      }
      if (missing === keys.length) this.#tables.assertExists(table);
    } catch (error) {
      throw isTaking ? error : unavailable(error);
    }
  }

  async scan(
    table: TableRef,
    options: { readonly after?: Uint8Array; readonly limit: number },
  ): Promise<readonly StoredRow[]> {
    return guarded(() => {
      const database = this.#tables.get(table);
      database.resetReadTxn();
      this.#tables.assertExists(table);
      const rows: StoredRow[] = [];
      // One more, since the start of a range is inclusive.
      const range = { limit: options.limit + 1, ...(options.after && { start: options.after }) };
      for (const { key, value } of database.getRange(range)) {
        if (options.after !== undefined && Buffer.compare(key, options.after) === 0) continue;
        if (rows.length < options.limit) rows.push({ key: copyOf(key), row: copyOf(value) });
      }
      return rows;
    });
  }

  async purge(table: TableRef, rows: readonly StoredRow[]): Promise<void> {
    await guardedAsync(async () => {
      const database = this.#tables.get(table);
      await this.#root.transaction(() => {
        this.#tables.assertExists(table);
        for (const { key, row } of rows) {
          const stored = database.getBinaryFast(key);
          if (stored !== undefined && rowEventTimeUs(stored) <= rowEventTimeUs(row)) database.removeSync(key);
        }
      });
    });
  }

  async countRows(table: TableRef): Promise<number> {
    return guarded(() => {
      const database = this.#tables.get(table);
      database.resetReadTxn();
      this.#tables.assertExists(table);
      return entryCount(database.getStats());
    });
  }

  async watermark(name: string): Promise<number> {
    return guarded(() => this.#count(`watermark/${name}`));
  }

  async appliedPosition(of: Omit<Position, 'sequence'>): Promise<number> {
    return guarded(() => {
      this.#root.resetReadTxn();
      return parseCount(this.#positions.get(positionKey(of)));
    });
  }

  async appliedPositions(groupId: string): Promise<readonly Position[]> {
    return guarded(() => {
      this.#root.resetReadTxn();
      const positions: Position[] = [];
      for (const { key, value } of this.#positions.getRange({ start: `${groupId}/`, end: `${groupId}0` })) {
        const [, origin = '', feedEpoch = '', appender = ''] = key.split('/');
        positions.push({
          origin: regionId(origin) satisfies RegionId,
          feedEpoch,
          groupId,
          appender: Number(appender),
          sequence: parseCount(value),
        });
      }
      return positions;
    });
  }

  async idempotency(id: string): Promise<IdempotencyRecord | undefined> {
    return guarded(() => {
      this.#root.resetReadTxn();
      const value = parseRecord(idempotencyValueSchema, this.#idempotency.get(id));
      return value === undefined ? undefined : { id, ...value };
    });
  }

  async countIdempotency(): Promise<number> {
    return guarded(() => this.#count('idempotency-count'));
  }

  async sweepIdempotency(beforeMs: number, limit: number): Promise<number> {
    return guardedAsync(() =>
      this.#root.transaction(() => {
        const old: [number, string][] = [];
        for (const key of this.#idempotencyTimes.getKeys({ limit })) {
          if (key[0] >= beforeMs) break;
          old.push([key[0], key[1]]);
        }
        for (const key of old) {
          this.#idempotencyTimes.removeSync(key);
          this.#idempotency.removeSync(key[1]);
        }
        if (old.length > 0) this.#addIdempotencyCount(-old.length);
        return old.length;
      }),
    );
  }

  async acquireLease(lease: LeaseRequest): Promise<LeaseRef | undefined> {
    const { name, holder, untilMs } = lease;
    return guardedAsync(() =>
      this.#root.transaction(() => {
        const key = `lease/${name}`;
        const current = parseRecord(leaseRecordSchema, this.#meta.get(key));
        const isForeign = current !== undefined && current.holder !== holder;
        if (isForeign && leaseKeepsOut(current, lease) && !hasEnded(current.process)) return undefined;
        const isCutShort = isForeign && current.untilMs > lease.nowMs;
        const epoch = current?.holder === holder ? current.epoch : (current?.epoch ?? 0) + 1;
        this.#meta.putSync(key, { holder, epoch, untilMs, ...PROCESS });
        return isCutShort ? { name, epoch, wasCutShort: true } : { name, epoch };
      }),
    );
  }

  async stampBoundUs(slot: number): Promise<bigint> {
    return guarded(() => BigInt(this.#count(`stamp-bound/${slot}`)));
  }

  async raiseStampBound(bound: { slot: number; upToUs: bigint; lease: LeaseRef }): Promise<void> {
    const key = `stamp-bound/${bound.slot}`;
    await guardedAsync(() =>
      this.#root.transaction(() => {
        this.#assertLease(bound.lease);
        const upToUs = Number(bound.upToUs);
        if (upToUs > parseCount(this.#meta.get(key))) this.#meta.putSync(key, upToUs);
      }),
    );
    await this.#root.flushed;
  }

  async close(): Promise<void> {
    await this.#root.close();
  }

  /** Reads from here on see what was committed until now; once for all visits of one synchronous stretch, such as the groups of a read. */
  #refresh(): void {
    if (this.#isFresh) return;
    this.#root.resetReadTxn();
    this.#isFresh = true;
    queueMicrotask(() => {
      this.#isFresh = false;
    });
  }

  /** Runs inside a transaction. All that can refuse the step comes before its first put: a thrown error does not undo earlier puts. */
  #applyNow(step: ApplyStep, table: RowDatabase | undefined): ApplyOutcome {
    if (step.lease !== undefined) this.#assertLease(step.lease);
    if (table !== undefined) this.#tables.assertExists(step.table);
    let applied = 0;
    for (const { key, row } of step.rows) {
      if (!wins(row, table?.getBinaryFast(key))) continue;
      table?.putSync(key, row as Buffer);
      applied += 1;
    }
    if (this.#move(step.watermark)) {
      for (const position of step.positions ?? []) {
        const key = positionKey(position);
        if (position.sequence > parseCount(this.#positions.get(key)))
          this.#positions.putSync(key, position.sequence);
      }
    }
    if (step.idempotency !== undefined) this.#remember(step.idempotency);
    return { applied, older: step.rows.length - applied };
  }

  /** False where the watermark has to wait for a step before this one. */
  #move(watermark: ApplyStep['watermark']): boolean {
    if (watermark === undefined) return true;
    const { name, sequence, after } = watermark;
    const stored = parseCount(this.#meta.get(`watermark/${name}`));
    if (sequence <= stored) return true;
    if (after !== undefined && after !== stored) return false;
    this.#meta.putSync(`watermark/${name}`, sequence);
    return true;
  }

  /** The first record of an id stays. */
  #remember({ id, ...value }: IdempotencyRecord): void {
    if (this.#idempotency.get(id) !== undefined) return;
    this.#idempotency.putSync(id, value);
    this.#idempotencyTimes.putSync([value.storedAtMs, id], 1);
    this.#addIdempotencyCount(1);
  }

  #addIdempotencyCount(difference: number): void {
    this.#meta.putSync('idempotency-count', parseCount(this.#meta.get('idempotency-count')) + difference);
  }

  #assertLease(lease: LeaseRef): void {
    const current = parseRecord(leaseRecordSchema, this.#meta.get(`lease/${lease.name}`));
    if (current?.epoch !== lease.epoch)
      throw new ProblemError(problem('STALE_LEASE', `lease ${lease.name} has another epoch`));
  }

  #count(key: string): number {
    this.#root.resetReadTxn();
    return parseCount(this.#meta.get(key));
  }
}

/** All processes of an environment run on one machine: a lease of one that ended is free at once, whatever any clock says. */
function hasEnded(process: string | undefined): boolean {
  return process !== undefined && isKnownGone(process);
}

function positionKey(of: Omit<Position, 'sequence'>): string {
  return `${of.groupId}/${of.origin}/${of.feedEpoch}/${of.appender}`;
}

function copyOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes, 0, bytes.length);
}

function entryCount(stats: object): number {
  return 'entryCount' in stats && typeof stats.entryCount === 'number' ? stats.entryCount : 0;
}

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw unavailable(error);
  }
}

async function guardedAsync<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unavailable(error);
  }
}

/** LMDB's own errors name numbers and paths, never keys; they are kept as the cause. */
function unavailable(error: unknown): unknown {
  if (error instanceof ProblemError) return error;
  return new ProblemError(problem('STORE_UNAVAILABLE', 'the embedded store failed'), { cause: error });
}
