import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Random } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import { leaseKeepsOut } from '../../ports/lease.ts';
import type { LeaseRef, LeaseRequest } from '../../ports/online-store.ts';
import { isUnknownOutcome } from './cassandra-errors.ts';
import type { Cql } from './cql.ts';

/** Tries of one conditional write against other processes; each pause is chance below the bound. */
const MAX_TRIES = 12;
const MAX_PAUSE_MS = 80;

/**
 * How long an epoch read is believed when a step is checked. A step that slips through in that time does no harm: its rows are in the
 * log, their order decides, and what it claims to have applied is true.
 */
const EPOCH_BELIEVED_MS = 500;

/** All leases and bounds of a region are one partition: at about one change per process and second it stays uncontended. */
const SCOPE = 'region';

interface LeaseRow {
  readonly holder: string;
  readonly epoch: number;
  readonly untilMs: number;
}

/** Leases and stamp bounds, by conditional writes. One at a time per process: its own calls never compete. */
export class ControlRecords {
  readonly #cql: Cql;
  readonly #clock: MonotonicClock;
  readonly #timer: Timer;
  readonly #random: Random;
  readonly #epochs = new Map<string, { readonly epoch: number; readonly atMs: number }>();
  readonly #statements: ReturnType<typeof statementsIn>;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(cql: Cql, tools: { clock: MonotonicClock; timer: Timer; random: Random }) {
    this.#cql = cql;
    this.#clock = tools.clock;
    this.#timer = tools.timer;
    this.#random = tools.random;
    this.#statements = statementsIn(cql.keyspace);
  }

  /** As OnlineStore.acquireLease. */
  acquire(lease: LeaseRequest, expired: AbortSignal): Promise<LeaseRef | undefined> {
    const { name, holder, untilMs } = lease;
    return this.#inTurn(expired, async () => {
      const current = await this.#lease(name, expired);
      if (current !== undefined && current.holder !== holder && leaseKeepsOut(current, lease))
        return { done: undefined };
      const epoch = current?.holder === holder ? current.epoch : (current?.epoch ?? 0) + 1;
      const { takeLease, changeLease } = this.#statements;
      const taken =
        current === undefined
          ? await this.#change(takeLease, [leaseKey(name), holder, BigInt(epoch), BigInt(untilMs)], expired)
          : await this.#change(
              changeLease,
              [
                holder,
                BigInt(epoch),
                BigInt(untilMs),
                leaseKey(name),
                BigInt(current.epoch),
                current.holder,
                BigInt(current.untilMs),
              ],
              expired,
            );
      if (!taken) return 'again';
      this.#believe(name, epoch);
      return { done: { name, epoch } };
    });
  }

  /** Rejects with STALE_LEASE where the lease has another epoch. */
  async assertLease(lease: LeaseRef, expired: AbortSignal): Promise<void> {
    const believed = this.#epochs.get(lease.name);
    const nowMs = this.#clock.monotonicMs();
    const isFresh = believed !== undefined && nowMs - believed.atMs <= EPOCH_BELIEVED_MS;
    if (isFresh && believed.epoch === lease.epoch) return;
    const { rows } = await this.#cql.execute(this.#statements.lease, [leaseKey(lease.name)], {
      as: 'claim-read',
      expired,
    });
    const epoch = rows[0] === undefined ? undefined : Number(rows[0]['epoch']);
    if (epoch !== lease.epoch) throw stale(lease);
    this.#believe(lease.name, epoch);
  }

  /** As StampBounds.stampBoundUs. */
  async boundUs(slot: number, expired: AbortSignal): Promise<bigint> {
    return (await this.#bound(slot, expired)) ?? 0n;
  }

  /** As StampBounds.raiseStampBound: lease and bound change in one conditional step. */
  raiseBound(bound: { slot: number; upToUs: bigint; lease: LeaseRef }, expired: AbortSignal): Promise<void> {
    const { slot, upToUs, lease } = bound;
    return this.#inTurn(expired, async () => {
      const current = await this.#lease(lease.name, expired);
      if (current?.epoch !== lease.epoch) throw stale(lease);
      const before = await this.#bound(slot, expired);
      if (before !== undefined && before >= upToUs) return { done: undefined };
      const epoch = BigInt(lease.epoch);
      const raised = await this.#attempt(() =>
        this.#cql.conditionalBatch(
          [
            { query: this.#statements.keepLease, params: [epoch, leaseKey(lease.name), epoch] },
            { query: this.#statements.raiseBound, params: [upToUs, boundKey(slot), before ?? null] },
          ],
          expired,
        ),
      );
      return raised ? { done: undefined } : 'again';
    });
  }

  async #lease(name: string, expired: AbortSignal): Promise<LeaseRow | undefined> {
    const { rows } = await this.#cql.execute(this.#statements.lease, [leaseKey(name)], {
      as: 'serial-read',
      expired,
    });
    const row = rows[0];
    if (row === undefined) return undefined;
    return { holder: String(row['holder']), epoch: Number(row['epoch']), untilMs: Number(row['until_ms']) };
  }

  async #bound(slot: number, expired: AbortSignal): Promise<bigint | undefined> {
    const { rows } = await this.#cql.execute(this.#statements.bound, [boundKey(slot)], {
      as: 'serial-read',
      expired,
    });
    const value: unknown = rows[0]?.['bound_us'];
    return typeof value === 'bigint' ? value : undefined;
  }

  #change(statement: string, values: readonly unknown[], expired: AbortSignal): Promise<boolean> {
    return this.#attempt(async () => {
      const result = await this.#cql.execute(statement, values, { as: 'conditional', expired });
      return result.wasApplied();
    });
  }

  /** What is not known to have taken place is looked at again: the next try begins with a serial read. */
  async #attempt(work: () => Promise<boolean>): Promise<boolean> {
    try {
      return await work();
    } catch (error) {
      if (isUnknownOutcome(error)) return false;
      throw error;
    }
  }

  #believe(name: string, epoch: number): void {
    this.#epochs.set(name, { epoch, atMs: this.#clock.monotonicMs() });
  }

  #inTurn<T>(expired: AbortSignal, step: () => Promise<{ readonly done: T } | 'again'>): Promise<T> {
    const result = this.#turn.then(async () => {
      for (let attempt = 1; attempt <= MAX_TRIES && !expired.aborted; attempt += 1) {
        const outcome = await step();
        if (outcome !== 'again') return outcome.done;
        await this.#timer.sleep(this.#random.int(MAX_PAUSE_MS), expired);
      }
      throw new ProblemError(
        problem('STORE_UNAVAILABLE', 'a conditional write in Cassandra found no majority'),
      );
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

function statementsIn(keyspace: string) {
  const table = `${keyspace}.fm_control`;
  const at = `WHERE scope = '${SCOPE}' AND name = ?`;
  return {
    lease: `SELECT holder, epoch, until_ms FROM ${table} ${at}`,
    takeLease: `INSERT INTO ${table} (scope, name, holder, epoch, until_ms) VALUES ('${SCOPE}', ?, ?, ?, ?) IF NOT EXISTS`,
    changeLease: `UPDATE ${table} SET holder = ?, epoch = ?, until_ms = ? ${at} IF epoch = ? AND holder = ? AND until_ms = ?`,
    keepLease: `UPDATE ${table} SET epoch = ? ${at} IF epoch = ?`,
    bound: `SELECT bound_us FROM ${table} ${at}`,
    raiseBound: `UPDATE ${table} SET bound_us = ? ${at} IF bound_us = ?`,
  };
}

const leaseKey = (name: string): string => `lease/${name}`;

const boundKey = (slot: number): string => `bound/${slot}`;

function stale(lease: LeaseRef): ProblemError {
  return new ProblemError(problem('STALE_LEASE', `lease ${lease.name} has another epoch`));
}
