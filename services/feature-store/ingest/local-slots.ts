import { ProblemError, problem } from '@featuremesh/domain/problem';
import { overlay } from '@featuremesh/runtime/overlay';
import type { LeaseRef, OnlineStore } from '../ports/online-store.ts';
import type { StampBounds } from '../ports/stamp-bounds.ts';
import { slotLease } from './applied-names.ts';
import { isUnavailable } from './lease-failures.ts';

type Store = OnlineStore & StampBounds;

/** Leases and stamp bounds on this machine's disk, which its processes share. */
export type LocalSlotRecords = Pick<OnlineStore, 'acquireLease'> & StampBounds;

/** A lease of this process: as it was given out, as this machine counts it, and as the store does, once it was asked. */
interface Grant {
  readonly given: number;
  readonly here: number;
  readonly real: number | undefined;
}

/**
 * A store elsewhere, whose slots are held on this machine's disk as well: a process that starts while the store is away takes the slot
 * that this machine held last, with stamps behind those given out, so that rows are accepted into the log (A2). Such a lease is
 * provisional: the store takes no step under it until the store itself has given it out, and no other process here can have it.
 */
export function withLocalSlots<Inner extends Store>(
  inner: Inner,
  slot: number,
  local: LocalSlotRecords,
): Inner {
  const slots = new LocalSlots(inner, slot, local);
  const replaced: Partial<Store> = {
    acquireLease: lease => slots.acquire(lease),
    stampBoundUs: of => slots.boundUs(of),
    raiseStampBound: bound => slots.raise(bound),
    apply: async step =>
      inner.apply(step.lease === undefined ? step : { ...step, lease: slots.real(step.lease) }),
  };
  return overlay(inner, replaced as Partial<Inner>);
}

class LocalSlots {
  readonly #store: Store;
  readonly #slot: number;
  readonly #local: LocalSlotRecords;
  readonly #name: string;
  #grant: Grant | undefined;

  constructor(store: Store, slot: number, local: LocalSlotRecords) {
    this.#store = store;
    this.#slot = slot;
    this.#local = local;
    this.#name = slotLease(slot);
  }

  async acquire(lease: Parameters<OnlineStore['acquireLease']>[0]): Promise<LeaseRef | undefined> {
    if (lease.name !== this.#name) return this.#store.acquireLease(lease);
    const here = await this.#local.acquireLease(lease);
    if (here === undefined) return undefined;
    try {
      const real = await this.#store.acquireLease(lease);
      if (real !== undefined) return await this.#confirmed(real, here.epoch);
      this.#grant = undefined;
      await this.#local.acquireLease({ ...lease, untilMs: lease.nowMs });
      return undefined;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      return this.#provisional(here.epoch, error);
    }
  }

  async boundUs(slot: number): Promise<bigint> {
    if (slot !== this.#slot) return this.#store.stampBoundUs(slot);
    const here = await this.#local.stampBoundUs(slot);
    try {
      const there = await this.#store.stampBoundUs(slot);
      return here > there ? here : there;
    } catch (error) {
      if (isUnavailable(error) && this.#grant?.real === undefined) return here;
      throw error;
    }
  }

  /** Behind a provisional lease no watermark moves, so that a later owner of the slot finds its stamps in the log. */
  async raise({ slot, upToUs, lease }: Parameters<StampBounds['raiseStampBound']>[0]): Promise<void> {
    const grant = this.#grant;
    if (lease.name !== this.#name || grant?.given !== lease.epoch)
      return this.#store.raiseStampBound({ slot, upToUs, lease });
    await this.#local.raiseStampBound({ slot, upToUs, lease: { name: lease.name, epoch: grant.here } });
    if (grant.real !== undefined)
      await this.#store.raiseStampBound({ slot, upToUs, lease: { name: lease.name, epoch: grant.real } });
  }

  /** The lease as the store knows it. Throws STORE_UNAVAILABLE while it knows none, STALE_LEASE where it was given up since. */
  real(lease: LeaseRef): LeaseRef {
    if (lease.name !== this.#name || lease.epoch > 0) return lease;
    const grant = this.#grant;
    if (grant?.given !== lease.epoch)
      throw new ProblemError(problem('STALE_LEASE', `lease ${lease.name} was given up`));
    if (grant.real !== undefined) return { name: lease.name, epoch: grant.real };
    throw new ProblemError(problem('STORE_UNAVAILABLE', 'the store has not given out the slot yet'));
  }

  /** What was given out provisionally keeps its number; the store's bound covers its stamps before any step is taken under it. */
  async #confirmed(real: LeaseRef, here: number): Promise<LeaseRef> {
    const before = this.#grant;
    if (before !== undefined && before.real === undefined) {
      const upToUs = await this.#local.stampBoundUs(this.#slot);
      await this.#store.raiseStampBound({ slot: this.#slot, upToUs, lease: real });
    }
    const isKept = before !== undefined && (before.real ?? real.epoch) === real.epoch;
    const given = isKept ? before.given : real.epoch;
    this.#grant = { given, here, real: real.epoch };
    return { ...real, epoch: given };
  }

  /** A lease that the store has given out stands by itself. One that this machine never held may be anybody's. */
  async #provisional(here: number, error: unknown): Promise<LeaseRef> {
    if (this.#grant?.real !== undefined || (await this.#local.stampBoundUs(this.#slot)) === 0n) throw error;
    this.#grant = { given: -here, here, real: undefined };
    return { name: this.#name, epoch: -here, isProvisional: true };
  }
}
