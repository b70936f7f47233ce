import type { Clock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Timer } from '@featuremesh/runtime/timer';
import type { LeaseRef, OnlineStore } from '../ports/online-store.ts';
import { LEASE_MS, LEASE_RENEW_MS } from './ingest-limits.ts';
import { isStaleLease, isUnavailable } from './lease-failures.ts';

/** What a leadership is about; `holder` is unique to the process. */
export interface LeadershipOptions {
  readonly lease: string;
  readonly holder: string;
  readonly store: Pick<OnlineStore, 'acquireLease'>;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly logger: Logger;
  /** Begins the work; each part runs until the signal aborts. Where one ends or fails, the lease is given up and asked for anew. */
  readonly lead: (lease: LeaseRef, signal: AbortSignal) => readonly Promise<unknown>[];
  readonly onChange?: (isActive: boolean) => void;
}

/**
 * Work that one process of a region does at a time: whoever holds the lease, until it is lost or the process stops; the others wait for it.
 * Where leases cannot be had, since the data centre that keeps them is away, whoever held it last goes on: its steps are checked by
 * the lease's epoch, and what slips through is ordered by the log.
 */
export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #stopped = new AbortController();
  #running: Promise<void> | undefined;
  #active = false;
  /** The lease as it was given out, until it is found lost or was freed. */
  #held: LeaseRef | undefined;

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  /** True while this process leads. */
  get isActive(): boolean {
    return this.#active;
  }

  /** Begins to compete for the lease; returns at once. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the work and frees the lease. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { timer, logger, lease: name } = this.#options;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        const lease = await this.#hold();
        if (lease !== undefined) await this.#lead(lease);
      } catch (error) {
        if (isStaleLease(error)) this.#held = undefined;
        logger.warn({ err: error, lease: name }, 'the work under a lease failed and starts anew');
      }
      await timer.sleep(LEASE_RENEW_MS, signal);
    }
  }

  async #lead(lease: LeaseRef): Promise<void> {
    const { logger, lead } = this.#options;
    const ended = new AbortController();
    const signal = AbortSignal.any([this.#stopped.signal, ended.signal]);
    logger.info({ lease: lease.name, epoch: lease.epoch }, 'leads');
    this.#setActive(true);
    const work = [this.#keepLease(lease, signal), ...lead(lease, signal)];
    try {
      await Promise.race(work);
    } finally {
      ended.abort();
      await Promise.allSettled(work);
      this.#setActive(false);
      const held = this.#held;
      this.#held = await this.#acquire(0).then(
        () => undefined,
        () => held,
      );
    }
  }

  #setActive(active: boolean): void {
    this.#active = active;
    this.#options.onChange?.(active);
  }

  /** Ends when the lease is lost. */
  async #keepLease(lease: LeaseRef, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#options.timer.sleep(LEASE_RENEW_MS, signal);
      if (signal.aborted) return;
      const renewed = await this.#hold();
      if (renewed?.epoch !== lease.epoch) return;
    }
  }

  async #hold(): Promise<LeaseRef | undefined> {
    try {
      this.#held = await this.#acquire(LEASE_MS);
    } catch (error) {
      if (this.#held === undefined || !isUnavailable(error)) throw error;
    }
    return this.#held;
  }

  /** `forMs` 0 frees the lease, where it is held. */
  #acquire(forMs: number): Promise<LeaseRef | undefined> {
    const { store, clock, holder, lease: name } = this.#options;
    const nowMs = clock.nowMs();
    return store.acquireLease({ name, holder, nowMs, untilMs: nowMs + forMs });
  }
}
