import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Clock, MonotonicClock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Timer } from '@featuremesh/runtime/timer';
import type { ChangeLog, LogMessage } from '../ports/change-log.ts';
import type { OnCrashPoint } from '../ports/crash-points.ts';
import type { LeaseRef, OnlineStore } from '../ports/online-store.ts';
import type { StampBounds } from '../ports/stamp-bounds.ts';
import { ownWatermark, slotLease } from './applied-names.ts';
import { LEASE_MARGIN_MS, LEASE_MS, LEASE_RENEW_MS } from './ingest-limits.ts';
import { isStaleLease } from './lease-failures.ts';
import type { LogReplay } from './log-replay.ts';
import { OwnApplier } from './own-applier.ts';
import { latestStampUs } from './replay-step.ts';
import { StampClock } from './stamp-clock.ts';

/** The right to write under a slot, with all that hangs on it. */
export interface OwnedSlot {
  readonly lease: LeaseRef;
  readonly stamps: StampClock;
  readonly applier: OwnApplier;
}

/** What a slot owner works with; `holder` is unique to the process. */
export interface SlotOwnerOptions {
  readonly slot: number;
  readonly holder: string;
  readonly log: ChangeLog;
  readonly store: OnlineStore & StampBounds;
  readonly replay: LogReplay;
  readonly clock: Clock & MonotonicClock;
  readonly timer: Timer;
  readonly logger: Logger;
  /** Given by tests only. */
  readonly onCrashPoint?: OnCrashPoint | undefined;
}

type State =
  | { readonly kind: 'waiting' }
  | {
      readonly kind: 'owned';
      readonly slot: OwnedSlot;
      readonly untilMs: number;
      /** The store does not answer: nobody can take the slot by it, so that writes go on, pending (A2). */
      readonly storeIsDown: boolean;
    }
  | { readonly kind: 'stopped' };

/**
 * Holds the slot's lease, and gives it up at once where it was lost: then waits for it, reads the own log to its end, and goes on
 * with new stamps. Nothing is written without a lease that is valid by this process's clock, unless the store that keeps the leases
 * is down: then no other process can have taken it, and what is appended waits in the log.
 */
export class SlotOwner {
  readonly #options: SlotOwnerOptions;
  readonly #stopped = new AbortController();
  #state: State = { kind: 'waiting' };
  #running: Promise<void> | undefined;
  /** Another process held the slot since this one asked for it. */
  #isContended = false;

  constructor(options: SlotOwnerOptions) {
    this.#options = options;
  }

  /** Resolves once the slot is owned and its log applied; the lease is kept from then on, until `stop`. */
  async start(): Promise<void> {
    let owned = (): void => undefined;
    const firstOwned = new Promise<void>(resolve => {
      owned = resolve;
    });
    this.#running = this.#run(owned);
    await Promise.race([firstOwned, this.#running]);
    if (this.#state.kind !== 'owned') throw this.#notOwned();
  }

  /** The slot, where it may be written under now. Throws a ProblemError LOG_UNAVAILABLE where not. */
  owned(): OwnedSlot {
    if (this.#state.kind === 'owned' && this.isOwned) return this.#state.slot;
    throw this.#notOwned();
  }

  /** True where `owned` would give the slot. */
  get isOwned(): boolean {
    const state = this.#state;
    return state.kind === 'owned' && (state.storeIsDown || this.#options.clock.nowMs() < state.untilMs);
  }

  /** True while rows accepted here may be missing in the store. */
  get isBehind(): boolean {
    return this.#state.kind === 'owned' && this.#state.slot.applier.isBehind;
  }

  /** Waits for what is in flight and frees the slot. */
  async stop(): Promise<void> {
    const state = this.#state;
    this.#stopped.abort();
    if (state.kind === 'owned') await state.slot.applier.stop();
    await this.#running;
    this.#state = { kind: 'stopped' };
    if (state.kind === 'owned') await this.#acquire(0).catch(() => undefined);
  }

  async #run(owned: () => void): Promise<void> {
    const { timer, logger, slot } = this.#options;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        if (this.#state.kind === 'owned') await this.#renew(this.#state);
        else if (await this.#takeOver()) owned();
        else if (!this.#isContended) {
          logger.info({ slot }, 'waiting for the slot: another process holds it');
          this.#isContended = true;
        }
      } catch (error) {
        this.#noteFailure(error);
      }
      await timer.sleep(this.#pauseMs(), signal);
    }
  }

  /** Shorter where a renewal came so late that little of the lease is left. */
  #pauseMs(): number {
    const usualMs = LEASE_RENEW_MS / 2;
    if (this.#state.kind !== 'owned' || this.#state.storeIsDown) return usualMs;
    const leftMs = this.#state.untilMs - this.#options.clock.nowMs() - LEASE_MARGIN_MS;
    return Math.min(usualMs, Math.max(0, leftMs));
  }

  async #renew(state: Extract<State, { kind: 'owned' }>): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    const untilMs = nowMs + LEASE_MS;
    const lease = await this.#whileWaiting(state.untilMs - nowMs, this.#acquire(LEASE_MS));
    if (lease?.epoch !== state.slot.lease.epoch) {
      this.#lose();
      return;
    }
    if (this.#state.kind === 'owned')
      this.#state = { ...this.#state, untilMs, storeIsDown: lease.isProvisional === true };
    await state.slot.stamps.reserve();
  }

  /** A store that keeps a renewal waiting until the lease runs out counts as down from then on, until it answers. */
  async #whileWaiting<T>(leftMs: number, answer: Promise<T>): Promise<T> {
    const answered = new AbortController();
    void this.#options.timer.sleep(Math.max(0, leftMs - LEASE_MARGIN_MS), answered.signal).then(() => {
      if (!answered.signal.aborted) this.#noteFailure(new Error('the store does not answer in time'));
    });
    try {
      return await answer;
    } finally {
      answered.abort();
    }
  }

  async #takeOver(): Promise<boolean> {
    const { slot, log, store, replay, clock, timer, logger } = this.#options;
    const { signal } = this.#stopped;
    let lease = await this.#acquire(LEASE_MS);
    if (lease === undefined) return false;
    if (lease.wasCutShort) this.#isContended = true;
    let untilMs = clock.nowMs() + LEASE_MS;
    // A long tail must not outlive the lease that it is applied under.
    const renewal = timer.every(LEASE_RENEW_MS, async () => {
      const renewedUntilMs = clock.nowMs() + LEASE_MS;
      const renewed = await this.#acquire(LEASE_MS).catch(() => undefined);
      if (renewed !== undefined) untilMs = renewedUntilMs;
    });
    try {
      let seenUs = 0n;
      const watermark = ownWatermark(slot, log.feedEpoch);
      // Without the store the log is read later; the bound on this machine lies behind every stamp given out here.
      const storeIsDown = lease.isProvisional === true;
      if (storeIsDown)
        logger.error({ slot }, 'the store does not answer; rows are accepted into the log only');
      const onApplied = ({ body }: LogMessage): void => {
        const latestUs = latestStampUs(body);
        if (latestUs > seenUs) seenUs = latestUs;
      };
      const tail = storeIsDown ? 0 : await replay.ownTail(slot, { watermark, lease, signal, onApplied });
      if (signal.aborted) return false;
      const stamps = await StampClock.open({ slot, bounds: store, clock, timer, lease, seenUs });
      const onFenced = (): void => this.#lose();
      const { onCrashPoint } = this.#options;
      const applier = new OwnApplier(
        { slot, lease, log, store, replay, clock, timer, logger, onFenced, onCrashPoint },
        { tail, hadOtherOwner: storeIsDown || this.#isContended },
      );
      this.#isContended = false;
      this.#state = { kind: 'owned', slot: { lease, stamps, applier }, untilMs, storeIsDown };
      lease = undefined;
      return true;
    } finally {
      renewal.stop();
      if (lease !== undefined) await this.#acquire(0).catch(() => undefined);
    }
  }

  #noteFailure(error: unknown): void {
    const { logger, slot } = this.#options;
    if (this.#state.kind !== 'owned') {
      logger.warn({ err: error, slot }, 'the slot could not be taken');
    } else if (isStaleLease(error)) {
      this.#lose();
    } else if (!this.#state.storeIsDown) {
      logger.error({ err: error, slot }, 'the store does not renew the slot; rows are accepted all the same');
      this.#state = { ...this.#state, storeIsDown: true };
    }
  }

  /** `forMs` 0 frees it. */
  #acquire(forMs: number): Promise<LeaseRef | undefined> {
    const { store, slot, holder, clock } = this.#options;
    const nowMs = clock.nowMs();
    return store.acquireLease({ name: slotLease(slot), holder, nowMs, untilMs: nowMs + forMs });
  }

  #lose(): void {
    if (this.#state.kind !== 'owned') return;
    this.#options.logger.error(
      { slot: this.#options.slot },
      'the slot was taken over; writes wait until it is free',
    );
    const { applier } = this.#state.slot;
    this.#state = { kind: 'waiting' };
    this.#isContended = true;
    void applier.stop();
  }

  #notOwned(): ProblemError {
    return new ProblemError(problem('LOG_UNAVAILABLE', 'this process may not append under its slot now'));
  }
}
