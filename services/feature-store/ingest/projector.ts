import type { RegionId } from '@featuremesh/domain/region-id';
import type { Clock, MonotonicClock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { Random } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import type { Tracing } from '@featuremesh/runtime/tracing';
import type { ChangeLog, LogMessage } from '../ports/change-log.ts';
import type { OnCrashPoint } from '../ports/crash-points.ts';
import type { LeaseRef, OnlineStore } from '../ports/online-store.ts';
import type { Registry } from '../ports/registry.ts';
import type { StoreCopies } from '../ports/store-copies.ts';
import { importsWatermark, ownWatermark, PROJECTOR_LEASE, slotLease } from './applied-names.ts';
import { CopyKeeper } from './copy-keeper.ts';
import { HeldGroups, type TableLookup } from './held-groups.ts';
import { LEASE_MS, LEASE_RENEW_MS, MAX_SLOTS, TAKEOVER_CHECK_MS } from './ingest-limits.ts';
import { Leadership } from './leadership.ts';
import { isStaleLease, isUnavailable } from './lease-failures.ts';
import { LogReplay } from './log-replay.ts';
import { ReplaySteps } from './replay-step.ts';

/** What a projector works with; `slot` is its own process's, which looks after itself. */
export interface ProjectorOptions {
  readonly registry: Pick<Registry, 'state'>;
  readonly tables: TableLookup;
  readonly store: OnlineStore & Partial<StoreCopies>;
  readonly log: ChangeLog;
  readonly clock: Clock & MonotonicClock;
  readonly timer: Timer;
  readonly random: Random;
  readonly region: RegionId;
  readonly slot: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracing?: Tracing | undefined;
  /** Given by tests only. */
  readonly onCrashPoint?: OnCrashPoint | undefined;
}

/**
 * Applies what no live process applies by itself: imports, and own chunks past the watermark of a slot whose process is gone.
 * One is active per region, by a lease that every step checks; the others wait for it.
 */
export class Projector {
  readonly #options: ProjectorOptions;
  readonly #replay: LogReplay;
  readonly #holder: string;
  readonly #leadership: Leadership;
  /** Of a store that keeps its rows on several nodes. */
  readonly #keeper: CopyKeeper | undefined;

  constructor(options: ProjectorOptions) {
    const { log, store, clock, timer, logger } = options;
    const { region, tracing, onCrashPoint } = options;
    const groups = new HeldGroups({ registry: options.registry, tables: options.tables, region, clock });
    const steps = new ReplaySteps({ groups, region, feedEpoch: log.feedEpoch, clock });
    this.#options = options;
    this.#replay = new LogReplay({ log, store, steps, timer, logger, tracing, onCrashPoint });
    const copies = store.copies?.bind(store);
    const kept = copies && { apply: store.apply.bind(store), watermark: store.watermark.bind(store), copies };
    this.#keeper = kept && new CopyKeeper({ ...options, store: kept, steps });
    this.#holder = `projector-${options.slot}-${options.random.base32(16)}`;
    this.#leadership = new Leadership({
      ...{ lease: PROJECTOR_LEASE, holder: this.#holder, store, clock, timer, logger },
      lead: (lease, signal) => [
        this.#followImports(lease, signal),
        this.#watchSlots(signal),
        ...(this.#keeper === undefined ? [] : [this.#keeper.keep(signal)]),
      ],
      onChange: active => options.metrics.gauge('featuremesh_projector_active', {}, active ? 1 : 0),
    });
  }

  /** True while this process holds the projector's lease. */
  get isActive(): boolean {
    return this.#leadership.isActive;
  }

  /** What an operator should know of the store's nodes; undefined where all have all rows. */
  warning(): string | undefined {
    return this.#keeper?.warning();
  }

  /** Begins to compete for the lease; returns at once. */
  start(): void {
    this.#leadership.start();
  }

  /** Ends the work and frees the lease. */
  async stop(): Promise<void> {
    await this.#leadership.stop();
  }

  async #followImports(lease: LeaseRef, signal: AbortSignal): Promise<void> {
    const { store, log } = this.#options;
    const watermark = importsWatermark(log.feedEpoch);
    const after = await store.watermark(watermark);
    const onApplied = (_: LogMessage, rows: number): void => this.#count('imports', rows);
    await this.#replay.apply(stopped => log.follow(after, { kind: 'imports' }, stopped), after, {
      watermark,
      lease,
      signal,
      onApplied,
    });
  }

  async #watchSlots(signal: AbortSignal): Promise<void> {
    const { timer, slot } = this.#options;
    while (!signal.aborted) {
      for (let other = 0; other < MAX_SLOTS && !signal.aborted; other += 1) {
        if (other !== slot) await this.#takeOverTail(other, signal);
      }
      await timer.sleep(TAKEOVER_CHECK_MS, signal);
    }
  }

  /** The slot's lease is taken for it, so that a process which comes back finds itself fenced. */
  async #takeOverTail(slot: number, signal: AbortSignal): Promise<void> {
    const { store, log, timer, logger, onCrashPoint } = this.#options;
    const watermark = ownWatermark(slot, log.feedEpoch);
    const pending = async (): Promise<boolean> =>
      (await log.lastSequence({ kind: 'own', slot })) > (await store.watermark(watermark));
    if (!(await pending())) return;
    const lease = await this.#acquire(slotLease(slot), LEASE_MS).catch((error: unknown) => {
      // Imports go on where the data centre that gives out leases is away.
      if (isUnavailable(error)) return undefined;
      throw error;
    });
    if (lease === undefined) return;
    logger.info({ slot }, 'applying the tail of a slot whose process is gone');
    const renewal = timer.every(LEASE_RENEW_MS, async () => {
      await this.#acquire(slotLease(slot), LEASE_MS).catch(() => undefined);
    });
    try {
      if (onCrashPoint !== undefined) await onCrashPoint('takeover/leased');
      const onApplied = (_: LogMessage, rows: number): void => this.#count('takeover', rows);
      await this.#replay.ownTail(slot, { watermark, lease, signal, onApplied });
      if (onCrashPoint !== undefined) await onCrashPoint('takeover/applied');
    } catch (error) {
      if (!isStaleLease(error)) throw error;
    } finally {
      renewal.stop();
      // Where its process has just died the slot's next one shall wait, and so know that something may still land.
      if (!lease.wasCutShort) await this.#acquire(slotLease(slot), 0).catch(() => undefined);
    }
  }

  #count(source: 'imports' | 'takeover', rows: number): void {
    this.#options.metrics.count('featuremesh_projected_rows_total', { source }, rows);
  }

  /** `forMs` 0 frees the lease, where it is held. */
  #acquire(name: string, forMs: number): Promise<LeaseRef | undefined> {
    const { store, clock } = this.#options;
    const nowMs = clock.nowMs();
    return store.acquireLease({ name, holder: this.#holder, nowMs, untilMs: nowMs + forMs });
  }
}
