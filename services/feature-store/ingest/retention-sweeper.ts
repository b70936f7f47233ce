import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { ProblemError } from '@featuremesh/domain/problem';
import { cutOffMs, mayPurge, type PurgePatience } from '@featuremesh/domain/retention';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { Random } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import type { OnlineStore, TableRef } from '../ports/online-store.ts';
import { SWEEPER_LEASE, sweptWatermark } from './applied-names.ts';
import type { TableLookup } from './held-groups.ts';
import {
  SWEEP_CHECK_MS,
  SWEEP_LEAST_MS,
  SWEEP_PAGE_ROWS,
  SWEEP_PAUSE_MS,
  SWEEP_REST_MS,
  SWEEP_SHARE,
} from './ingest-limits.ts';
import { Leadership } from './leadership.ts';
import { NO_STEP } from './replay-step.ts';

/** How fast a sweep goes. */
export interface SweepPace {
  readonly checkMs: number;
  readonly leastMs: number;
  readonly pageRows: number;
  readonly pauseMs: number;
}

/** The pace of a running region. */
export const SWEEP_PACE: SweepPace = {
  checkMs: SWEEP_CHECK_MS,
  leastMs: SWEEP_LEAST_MS,
  pageRows: SWEEP_PAGE_ROWS,
  pauseMs: SWEEP_PAUSE_MS,
};

/** What a sweeper works with. */
export interface RetentionSweeperOptions {
  readonly registry: { readonly state: () => MeshState };
  readonly tables: TableLookup;
  readonly store: Pick<OnlineStore, 'scan' | 'purge' | 'apply' | 'watermark' | 'acquireLease'>;
  readonly patience: PurgePatience;
  readonly pace: SweepPace;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * Removes rows that have expired by their group's retention, table by table and at a stated pace. One process of a region does it at a
 * time, by a lease. Nobody notices: what has expired is not read, applied or shipped any more, removed or not (A3).
 */
export class RetentionSweeper {
  readonly #options: RetentionSweeperOptions;
  readonly #leadership: Leadership;

  constructor(options: RetentionSweeperOptions) {
    const { store, clock, timer, logger, metrics, random } = options;
    this.#options = options;
    this.#leadership = new Leadership({
      ...{ lease: SWEEPER_LEASE, holder: `sweeper-${random.base32(16)}`, store, clock, timer, logger },
      lead: (_, signal) => [this.#sweepOnAndOn(signal)],
      onChange: active => metrics.gauge('featuremesh_retention_sweeper_active', {}, active ? 1 : 0),
    });
  }

  /** True while this process sweeps for the region. */
  get isActive(): boolean {
    return this.#leadership.isActive;
  }

  /** Begins to compete for the lease; returns at once. */
  start(): void {
    this.#leadership.start();
  }

  /** Ends the sweep under way and frees the lease. */
  async stop(): Promise<void> {
    await this.#leadership.stop();
  }

  async #sweepOnAndOn(signal: AbortSignal): Promise<void> {
    const { registry, pace, timer } = this.#options;
    while (!signal.aborted) {
      for (const group of registry.state().groups) {
        if (signal.aborted) return;
        await this.#sweepWhereDue(group, signal);
      }
      await timer.sleep(pace.checkMs, signal);
    }
  }

  /** A failure is left to the next look: nothing depends on when a row is removed. */
  async #sweepWhereDue(group: CatalogueGroup, signal: AbortSignal): Promise<void> {
    const { tables, store, logger, pace, clock } = this.#options;
    const table = tables.tableFor(group.id, group.version);
    const nowMs = clock.nowMs();
    if (table === undefined || cutOffMs(group, nowMs) === Number.NEGATIVE_INFINITY) return;
    try {
      const { retentionMs } = group.definition;
      const everyMs = retentionMs === undefined ? SWEEP_REST_MS : retentionMs * SWEEP_SHARE;
      const sweptMs = await store.watermark(sweptWatermark(table));
      if (nowMs - sweptMs < Math.max(pace.leastMs, everyMs)) return;
      if (!(await this.#sweep(group, table, signal))) return;
      const watermark = { name: sweptWatermark(table), sequence: Math.floor(nowMs) };
      await store.apply({ ...NO_STEP, watermark });
    } catch (error) {
      const code = error instanceof ProblemError ? error.problem.code : 'INTERNAL';
      logger.warn({ err: error, groupId: group.id, version: group.version, code }, 'a sweep failed');
    }
  }

  /** False where it was ended before the end of the table. */
  async #sweep(group: CatalogueGroup, table: TableRef, signal: AbortSignal): Promise<boolean> {
    const { store, clock, timer, metrics, patience, pace } = this.#options;
    const labels = { group: group.id };
    let after: Uint8Array | undefined;
    for (;;) {
      const rows = await store.scan(table, {
        limit: pace.pageRows,
        ...(after === undefined ? {} : { after }),
      });
      // As known now: retention may have been made longer since the sweep began.
      const cutOff = cutOffMs(this.#newest(group), clock.nowMs());
      const expired = rows.filter(({ row }) => mayPurge(row, cutOff, patience));
      if (expired.length > 0) await store.purge(table, expired);
      metrics.count('featuremesh_rows_swept_total', labels, rows.length);
      metrics.count('featuremesh_rows_purged_total', labels, expired.length);
      after = rows.at(-1)?.key;
      if (after === undefined || rows.length < pace.pageRows) return true;
      await timer.sleep(pace.pauseMs, signal);
      if (signal.aborted) return false;
    }
  }

  #newest(group: CatalogueGroup): CatalogueGroup {
    const { groups } = this.#options.registry.state();
    return groups.find(({ id, version }) => id === group.id && version === group.version) ?? group;
  }
}
