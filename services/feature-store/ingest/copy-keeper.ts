import { ProblemError } from '@featuremesh/domain/problem';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { Timer } from '@featuremesh/runtime/timer';
import type { ChangeLog } from '../ports/change-log.ts';
import type { OnlineStore } from '../ports/online-store.ts';
import type { StoreCopies } from '../ports/store-copies.ts';
import { copiesWatermark } from './applied-names.ts';
import { ApplyAgain } from './apply-again.ts';
import { CopyGaps, type Gap } from './copy-gaps.ts';
import { AGAIN_TOLD_MS, COPIES_LOOK_MS, COPIES_SAMPLE_MS } from './ingest-limits.ts';
import { appliedThrough, lastOf } from './log-tails.ts';
import { NO_STEP, type ReplaySteps } from './replay-step.ts';

/** What a keeper works with. */
export interface CopyKeeperOptions {
  readonly store: Pick<OnlineStore, 'apply' | 'watermark'> & StoreCopies;
  readonly log: Pick<ChangeLog, 'feedEpoch' | 'lastSequence' | 'firstSequence' | 'readFrom'>;
  readonly steps: Pick<ReplaySteps, 'stepOf'>;
  readonly clock: MonotonicClock;
  readonly timer: Timer;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * Brings nodes of the store that were away what they missed, from the log: their cluster keeps it for them only in memory and files of
 * nodes that may die as well, and for hours. The region's active projector does it, by looking at the nodes once a second; what it owes
 * is known by a watermark in the store, so that whoever comes after it goes on there.
 */
export class CopyKeeper {
  readonly #options: CopyKeeperOptions;
  readonly #again: ApplyAgain;
  #gaps: CopyGaps | undefined;
  #written = 0;
  #told: { readonly text: string; readonly atMs: number } | undefined;
  #forgotten: string | undefined;
  /** Why the last look failed. */
  #failure: string | undefined;

  constructor(options: CopyKeeperOptions) {
    this.#options = options;
    this.#again = new ApplyAgain(options);
  }

  /** What an operator should know, for readiness: who is away, what is being applied again or was, what only a repair can bring. */
  warning(): string | undefined {
    const told = this.#told;
    const isRecent = told !== undefined && this.#options.clock.monotonicMs() - told.atMs < AGAIN_TOLD_MS;
    const all = [this.#forgotten, this.#now() ?? (isRecent ? told.text : undefined)];
    return all.filter(text => text !== undefined).join('; ') || undefined;
  }

  #now(): string | undefined {
    const state = this.#gaps?.state;
    if (state === undefined || state.kind === 'whole') return undefined;
    if (state.kind === 'away')
      return `${state.nodes.join(', ')} is away; what it misses is applied again when it is back`;
    if (this.#failure !== undefined)
      return `rows that a node may lack cannot be applied again yet: ${this.#failure}`;
    const { rows } = this.#again;
    return rows === 0 ? undefined : `${rows} rows applied again so far${after(state.nodes)}`;
  }

  /** Looks until the signal. Never rejects. */
  async keep(signal: AbortSignal): Promise<void> {
    const { timer, clock } = this.#options;
    this.#gaps = undefined;
    let sampledMs = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      try {
        this.#gaps ??= await this.#begin();
        await this.#look(this.#gaps, signal);
        if (clock.monotonicMs() - sampledMs >= COPIES_SAMPLE_MS) {
          sampledMs = clock.monotonicMs();
          await this.#sample(this.#gaps);
        }
        if (this.#gaps.state.kind === 'whole') this.#failure = undefined;
      } catch (error) {
        this.#note(error);
        this.#gaps?.again(clock.monotonicMs());
      }
      await timer.sleep(COPIES_LOOK_MS, signal);
    }
    this.#options.metrics.gauge('featuremesh_store_nodes_away', {}, 0);
  }

  /** Told once, however often it is tried again. */
  #note(error: unknown): void {
    const failure = error instanceof ProblemError ? error.problem.detail : 'unexpected; see the log';
    if (failure !== this.#failure)
      this.#options.logger.warn({ err: error }, 'what nodes of the store miss could not be looked after');
    this.#failure = failure;
  }

  async #begin(): Promise<CopyGaps> {
    const { store, log } = this.#options;
    const written = await store.watermark(copiesWatermark(log.feedEpoch));
    this.#written = written;
    const { departures } = store.copies();
    if (written > 0) return new CopyGaps({ floor: written - 1, departures, isKnown: false });
    // The store is new, or of a version that looked after nothing.
    const floor = await appliedThrough(log, store);
    await this.#write(floor);
    return new CopyGaps({ floor, departures, isKnown: true });
  }

  async #look(gaps: CopyGaps, signal: AbortSignal): Promise<void> {
    const { store, clock, metrics } = this.#options;
    const before = gaps.state.kind;
    const states = store.copies();
    const decision = gaps.look(clock.monotonicMs(), states);
    const { state } = gaps;
    metrics.gauge('featuremesh_store_nodes_away', {}, state.kind === 'away' ? state.nodes.length : 0);
    if (state.kind === 'away' && before !== 'away')
      this.#options.logger.warn({ nodes: state.nodes }, 'nodes of the store are away');
    if (decision.kind === 'apply-again')
      await this.#applyAgain(gaps, decision.gap, states.departures, signal);
  }

  async #applyAgain(gaps: CopyGaps, gap: Gap, departures: number, signal: AbortSignal): Promise<void> {
    const { log, logger, clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const through = await lastOf(log);
    await this.#tellForgotten(gaps, await log.firstSequence(), gap);
    const ended = await this.#again.through({
      after: gaps.floor,
      through,
      signal,
      // Nothing can be brought to a node that went again.
      isHeldUp: () => this.#options.store.copies().departures !== departures,
      onReached: async sequence => {
        gaps.raise(sequence);
        await this.#write(gaps.floor);
      },
    });
    if (ended === 'held-up') return;
    const rows = this.#again.takeRows();
    gaps.close(through, departures);
    await this.#write(gaps.floor);
    if (rows === 0) return;
    const tookMs = Math.round(clock.monotonicMs() - startedMs);
    const text = `${rows} rows applied again${after(gap.nodes)}`;
    logger.info({ rows, nodes: gap.nodes, tookMs }, text);
    this.#told = { text, atMs: clock.monotonicMs() };
  }

  /** What the log has forgotten nobody here can bring. */
  async #tellForgotten(gaps: CopyGaps, first: number, gap: Gap): Promise<void> {
    if (first <= gaps.floor + 1) return;
    const { logger, metrics } = this.#options;
    const forgotten = first - 1 - gaps.floor;
    this.#forgotten = `the log has forgotten ${forgotten} messages that a node of the store may lack${after(gap.nodes)}: run nodetool repair`;
    logger.error({ forgotten, nodes: gap.nodes }, this.#forgotten);
    metrics.gauge('featuremesh_store_repair_needed', {}, 1);
    gaps.raise(first - 1);
  }

  async #sample(gaps: CopyGaps): Promise<void> {
    const { log, store, clock } = this.#options;
    if (gaps.state.kind !== 'whole') return;
    gaps.sample(clock.monotonicMs(), await appliedThrough(log, store));
    await this.#write(gaps.floor);
  }

  async #write(floor: number): Promise<void> {
    const sequence = floor + 1;
    if (sequence <= this.#written) return;
    const { log, store } = this.#options;
    await store.apply({ ...NO_STEP, watermark: { name: copiesWatermark(log.feedEpoch), sequence } });
    this.#written = sequence;
  }
}

function after(nodes: readonly string[]): string {
  return nodes.length === 0
    ? ', since a node may have been away before'
    : ` after ${nodes.join(', ')} was away`;
}
