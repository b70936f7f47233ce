import { ProblemError } from '@featuremesh/domain/problem';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Timer } from '@featuremesh/runtime/timer';
import type { ChangeLog, LogFilter, LogMessage } from '../ports/change-log.ts';
import type { OnlineStore, StoredRow, TableRef } from '../ports/online-store.ts';
import { AGAIN_ROWS_PER_S, AGAIN_SLICE_MESSAGES, AGAIN_STEP_ROWS } from './ingest-limits.ts';
import type { BareStep, ReplaySteps } from './replay-step.ts';

const SOURCES: readonly LogFilter[] = [{ kind: 'all-own' }, { kind: 'imports' }];

/** What of the log is applied again. */
export interface AgainRange {
  readonly after: number;
  readonly through: number;
  readonly signal: AbortSignal;
  /** Asked before each step. */
  readonly isHeldUp: () => boolean;
  /** Every copy has all up to here. */
  readonly onReached: (sequence: number) => Promise<void>;
}

/**
 * Applies rows of the log again to every copy of the store, at a stated pace; nothing else of a step, since that was applied once. Rows of
 * several messages make one step: their order does not matter (S2).
 */
export class ApplyAgain {
  readonly #store: Pick<OnlineStore, 'apply'>;
  readonly #log: Pick<ChangeLog, 'readFrom'>;
  readonly #steps: Pick<ReplaySteps, 'stepOf'>;
  readonly #clock: MonotonicClock;
  readonly #timer: Timer;
  #rows = 0;

  constructor(options: {
    store: Pick<OnlineStore, 'apply'>;
    log: Pick<ChangeLog, 'readFrom'>;
    steps: Pick<ReplaySteps, 'stepOf'>;
    clock: MonotonicClock;
    timer: Timer;
  }) {
    this.#store = options.store;
    this.#log = options.log;
    this.#steps = options.steps;
    this.#clock = options.clock;
    this.#timer = options.timer;
  }

  /** Rows applied again since they were last taken. */
  get rows(): number {
    return this.#rows;
  }

  takeRows(): number {
    const rows = this.#rows;
    this.#rows = 0;
    return rows;
  }

  /** Rejects as log and store do, for instance where a copy is away; what was reached until then stays. */
  async through(range: AgainRange): Promise<'reached' | 'held-up'> {
    for (let from = range.after; from < range.through; from += AGAIN_SLICE_MESSAGES) {
      const to = Math.min(range.through, from + AGAIN_SLICE_MESSAGES);
      for (const source of SOURCES)
        if (!(await this.#slice({ ...range, after: from, through: to }, source))) return 'held-up';
      await range.onReached(to);
    }
    return 'reached';
  }

  async #slice(range: AgainRange, source: LogFilter): Promise<boolean> {
    let gathered = new Map<TableRef, StoredRow[]>();
    let count = 0;
    for await (const message of this.#log.readFrom(range.after, source)) {
      if (message.sequence > range.through) break;
      const step = this.#stepOf(message);
      if (step === undefined || step.rows.length === 0) continue;
      const rows = gathered.get(step.table) ?? [];
      rows.push(...step.rows);
      gathered.set(step.table, rows);
      count += step.rows.length;
      if (count < AGAIN_STEP_ROWS) continue;
      if (!(await this.#applyAll(gathered, range))) return false;
      gathered = new Map();
      count = 0;
    }
    return this.#applyAll(gathered, range);
  }

  /** What does not decode, or is of a group that is not known here yet, is left to whoever applies it for the first time. */
  #stepOf(message: LogMessage): BareStep | undefined {
    try {
      return this.#steps.stepOf(message);
    } catch (error) {
      if (error instanceof ProblemError && error.problem.code === 'CORRUPT_DATA') return undefined;
      throw error;
    }
  }

  async #applyAll(
    gathered: ReadonlyMap<TableRef, readonly StoredRow[]>,
    range: AgainRange,
  ): Promise<boolean> {
    for (const [table, rows] of gathered) if (!(await this.#apply(table, rows, range))) return false;
    return true;
  }

  async #apply(table: TableRef, rows: readonly StoredRow[], range: AgainRange): Promise<boolean> {
    if (range.signal.aborted || range.isHeldUp()) return false;
    const startedMs = this.#clock.monotonicMs();
    await this.#store.apply({ table, rows, everywhere: true });
    this.#rows += rows.length;
    const dueMs = (rows.length / AGAIN_ROWS_PER_S) * 1_000 - (this.#clock.monotonicMs() - startedMs);
    if (dueMs > 0) await this.#timer.sleep(dueMs, range.signal);
    return true;
  }
}
