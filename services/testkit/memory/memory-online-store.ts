import { rowEventTimeUs } from '@featuremesh/domain/packed-row';
import type { Position } from '@featuremesh/domain/position';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { wins } from '@featuremesh/domain/row-order';
import { tableName } from '@featuremesh/domain/subjects';
import { leaseKeepsOut } from '@featuremesh/feature-store/ports/lease';
import type {
  ApplyOutcome,
  ApplyStep,
  IdempotencyRecord,
  LeaseRef,
  LeaseRequest,
  OnlineStore,
  StoredRow,
  TableRef,
} from '@featuremesh/feature-store/ports/online-store';
import type { StampBounds } from '@featuremesh/feature-store/ports/stamp-bounds';

interface MemoryTable {
  readonly ref: TableRef;
  readonly rows: Map<string, StoredRow>;
}

/**
 * What a store keeps, apart from the object that works on it: the simulator hands it to the process that follows a crash, and
 * two processes of a region may share one.
 */
export class MemoryOnlineState {
  readonly tables = new Map<string, MemoryTable>();
  readonly watermarks = new Map<string, number>();
  readonly positions = new Map<string, Position>();
  readonly records = new Map<string, IdempotencyRecord>();
  readonly leases = new Map<
    string,
    { readonly holder: string; readonly epoch: number; readonly untilMs: number }
  >();
  readonly stampBounds = new Map<number, bigint>();
}

/** The online store in memory, for the simulator and unit tests; passes the same conformance suite as the real ones. */
export class MemoryOnlineStore implements OnlineStore, StampBounds {
  readonly #state: MemoryOnlineState;
  readonly #maxTables: number;
  #closed = false;

  constructor(options: { readonly state?: MemoryOnlineState; readonly maxTables?: number } = {}) {
    this.#state = options.state ?? new MemoryOnlineState();
    this.#maxTables = options.maxTables ?? 512;
  }

  async ensureTables(tables: readonly TableRef[]): Promise<void> {
    this.#assertOpen();
    for (const ref of tables) {
      const name = nameOf(ref);
      if (this.#state.tables.has(name)) continue;
      if (this.#state.tables.size >= this.#maxTables)
        throw new ProblemError(problem('TABLE_LIMIT', `the store holds ${this.#maxTables} tables`));
      this.#state.tables.set(name, { ref, rows: new Map() });
    }
  }

  async dropTable(table: TableRef): Promise<void> {
    this.#assertOpen();
    this.#state.tables.delete(nameOf(table));
  }

  async listTables(): Promise<readonly TableRef[]> {
    this.#assertOpen();
    return [...this.#state.tables.values()].map(({ ref }) => ref);
  }

  async apply(step: ApplyStep): Promise<ApplyOutcome> {
    this.#assertOpen();
    if (step.lease !== undefined) this.#assertLease(step.lease);
    const rows = step.rows.length === 0 ? undefined : this.#table(step.table).rows;
    let applied = 0;
    for (const { key, row } of step.rows) {
      const id = idOf(key);
      if (!wins(row, rows?.get(id)?.row)) continue;
      rows?.set(id, { key: key.slice(), row: row.slice() });
      applied += 1;
    }
    const moved = this.#move(step.watermark);
    for (const position of moved ? (step.positions ?? []) : []) {
      const id = positionId(position);
      if (position.sequence > (this.#state.positions.get(id)?.sequence ?? 0))
        this.#state.positions.set(id, position);
    }
    const { idempotency } = step;
    if (idempotency !== undefined && !this.#state.records.has(idempotency.id))
      this.#state.records.set(idempotency.id, idempotency);
    return { applied, older: step.rows.length - applied };
  }

  async read(table: TableRef, keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    const { rows } = this.#table(table);
    return keys.map(key => rows.get(idOf(key))?.row.slice());
  }

  async scan(
    table: TableRef,
    options: { readonly after?: Uint8Array; readonly limit: number },
  ): Promise<readonly StoredRow[]> {
    const { after, limit } = options;
    return [...this.#table(table).rows.values()]
      .filter(({ key }) => after === undefined || Buffer.compare(key, after) > 0)
      .toSorted((a, b) => Buffer.compare(a.key, b.key))
      .slice(0, limit)
      .map(({ key, row }) => ({ key: key.slice(), row: row.slice() }));
  }

  async purge(table: TableRef, rows: readonly StoredRow[]): Promise<void> {
    const held = this.#table(table).rows;
    for (const { key, row } of rows) {
      const stored = held.get(idOf(key))?.row;
      if (stored !== undefined && rowEventTimeUs(stored) <= rowEventTimeUs(row)) held.delete(idOf(key));
    }
  }

  async countRows(table: TableRef): Promise<number> {
    return this.#table(table).rows.size;
  }

  async watermark(name: string): Promise<number> {
    this.#assertOpen();
    return this.#state.watermarks.get(name) ?? 0;
  }

  async appliedPosition(of: Omit<Position, 'sequence'>): Promise<number> {
    this.#assertOpen();
    return this.#state.positions.get(positionId(of))?.sequence ?? 0;
  }

  async appliedPositions(groupId: string): Promise<readonly Position[]> {
    this.#assertOpen();
    return [...this.#state.positions.values()].filter(position => position.groupId === groupId);
  }

  async idempotency(id: string): Promise<IdempotencyRecord | undefined> {
    this.#assertOpen();
    return this.#state.records.get(id);
  }

  async countIdempotency(): Promise<number> {
    this.#assertOpen();
    return this.#state.records.size;
  }

  async sweepIdempotency(beforeMs: number, limit: number): Promise<number> {
    this.#assertOpen();
    const old = [...this.#state.records.values()]
      .filter(({ storedAtMs }) => storedAtMs < beforeMs)
      .toSorted((a, b) => a.storedAtMs - b.storedAtMs)
      .slice(0, limit);
    for (const { id } of old) this.#state.records.delete(id);
    return old.length;
  }

  async acquireLease(lease: LeaseRequest): Promise<LeaseRef | undefined> {
    this.#assertOpen();
    const { name, holder, untilMs } = lease;
    const current = this.#state.leases.get(name);
    if (current !== undefined && current.holder !== holder && leaseKeepsOut(current, lease)) return undefined;
    const epoch = current?.holder === holder ? current.epoch : (current?.epoch ?? 0) + 1;
    this.#state.leases.set(name, { holder, epoch, untilMs });
    return { name, epoch };
  }

  async stampBoundUs(slot: number): Promise<bigint> {
    this.#assertOpen();
    return this.#state.stampBounds.get(slot) ?? 0n;
  }

  async raiseStampBound(bound: { slot: number; upToUs: bigint; lease: LeaseRef }): Promise<void> {
    this.#assertOpen();
    this.#assertLease(bound.lease);
    if (bound.upToUs > (this.#state.stampBounds.get(bound.slot) ?? 0n))
      this.#state.stampBounds.set(bound.slot, bound.upToUs);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  /** False where the watermark has to wait for a step before this one. */
  #move(watermark: ApplyStep['watermark']): boolean {
    if (watermark === undefined) return true;
    const { name, sequence, after } = watermark;
    const stored = this.#state.watermarks.get(name) ?? 0;
    if (sequence <= stored) return true;
    if (after !== undefined && after !== stored) return false;
    this.#state.watermarks.set(name, sequence);
    return true;
  }

  #table(table: TableRef): MemoryTable {
    this.#assertOpen();
    const found = this.#state.tables.get(nameOf(table));
    if (found !== undefined) return found;
    throw new ProblemError(problem('STORE_UNAVAILABLE', 'the table does not exist'));
  }

  #assertLease(lease: LeaseRef): void {
    if (this.#state.leases.get(lease.name)?.epoch !== lease.epoch)
      throw new ProblemError(problem('STALE_LEASE', `lease ${lease.name} has another epoch`));
  }

  #assertOpen(): void {
    if (this.#closed) throw new ProblemError(problem('STORE_UNAVAILABLE', 'the store is closed'));
  }
}

const nameOf = ({ groupId, version, generation }: TableRef): string =>
  tableName(groupId, version, generation);

const idOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1');

function positionId({ groupId, origin, feedEpoch, appender }: Omit<Position, 'sequence'>): string {
  return `${groupId}/${origin}/${feedEpoch}/${appender}`;
}
