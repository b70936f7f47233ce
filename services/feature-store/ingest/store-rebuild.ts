import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import { overlay } from '@featuremesh/runtime/overlay';
import type { Timer } from '@featuremesh/runtime/timer';
import type { ChangeLog } from '../ports/change-log.ts';
import type { OnlineStore, RowVisits, TableRef } from '../ports/online-store.ts';
import { logTails } from './log-tails.ts';
import { NO_STEP } from './replay-step.ts';
import type { RebuildState, StoreRefill } from './store-refill.ts';

/** Watermark that stands in a store which has once held all of its log: a store without it was lost, or is new. */
const WHOLE = 'whole';
const POLL_MS = 100;
/** Between two looks at what peers have sent of a lost store. */
const REFILL_POLL_MS = 500;
/** Between two looks whether another process has found that the store was lost. */
const LOOK_EVERY_MS = 10_000;

/** Groups that readiness names; status names all. */
const MAX_TOLD = 20;

/** What a rebuild works with. */
export interface StoreRebuildOptions {
  readonly store: OnlineStore;
  readonly refill: StoreRefill;
  readonly clock: MonotonicClock;
  readonly timer: Timer;
  readonly logger: Logger;
  /** Between two counts of the rows by which a lost store would be missed. */
  readonly countEveryMs: number;
}

/**
 * Notices a store that was lost, and that it holds again what the log held at the start. Until then it must not be read: what is not
 * applied yet would be called missing (V5). Others apply the log; this only watches. Of processes that share a store each watches for
 * itself, and the first that finds it whole says so in it.
 */
export class StoreRebuild {
  readonly #options: StoreRebuildOptions;
  #isWhole = false;
  /** False until the store has been asked whether it is whole. */
  #isKnown = false;
  #reason = 'the online store does not answer yet';
  #warning: string | undefined;
  /** Why the last look failed. */
  #failure: string | undefined;

  private constructor(options: StoreRebuildOptions) {
    this.#options = options;
  }

  /** Looks at the store as it is; where it does not answer yet, again and again until it does or the signal comes. */
  static async over(options: StoreRebuildOptions, signal: AbortSignal): Promise<StoreRebuild> {
    const rebuild = new StoreRebuild(options);
    await rebuild.#ask().catch(() => void rebuild.#askAgain(signal));
    return rebuild;
  }

  /** Why the store may not be read, for readiness; undefined where it may. */
  notReady(): string | undefined {
    return this.#isWhole ? undefined : this.#reason;
  }

  /** What is said beside readiness: groups that wait for peers, rows that are lost for good. */
  warning(): string | undefined {
    return this.#warning;
  }

  /** Watches the rebuild to its end, then counts rows for the next time. Ends with the signal. */
  async watch(log: ChangeLog, signal: AbortSignal): Promise<void> {
    const { refill, timer, clock, countEveryMs } = this.#options;
    await this.follow(log, signal);
    let countedMs = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      try {
        await this.#lookForRefills(log.feedEpoch);
        if (!refill.isPending && clock.monotonicMs() - countedMs >= countEveryMs) {
          countedMs = clock.monotonicMs();
          await refill.count();
        }
        this.#failure = undefined;
      } catch (error) {
        this.#cannotWatch(error);
      }
      await timer.sleep(refill.isPending ? REFILL_POLL_MS : LOOK_EVERY_MS, signal);
    }
  }

  async #lookForRefills(feedEpoch: string): Promise<void> {
    const { refill, logger } = this.#options;
    const wasPending = refill.isPending;
    await refill.look(feedEpoch);
    this.#warning = warningOf(await refill.state());
    if (wasPending && !refill.isPending) logger.info({}, 'peers have sent what the log had forgotten');
  }

  /** Watches until the store has applied what the log holds now; returns at once where it is whole. Ends with the signal. */
  async follow(log: ChangeLog, signal: AbortSignal): Promise<void> {
    const { clock, timer, logger } = this.#options;
    const startedMs = clock.monotonicMs();
    let wanted: ReadonlyMap<string, number> | undefined;
    while (!this.#isWhole && !signal.aborted) {
      try {
        await this.#ask();
        if (this.#isWhole) return;
        wanted ??= await logTails(log);
        const missing = await this.#missing(wanted);
        if (missing === 0) {
          await this.#becomeWhole(log);
          const tookMs = Math.round(clock.monotonicMs() - startedMs);
          logger.info({ tookMs }, 'the online store holds what the log holds');
          return;
        }
        this.#tell(`it is rebuilt from the log: ${missing} of its appenders are not applied`);
        this.#failure = undefined;
      } catch (error) {
        this.#cannotWatch(error);
      }
      await timer.sleep(POLL_MS, signal);
    }
  }

  /** The store, whose rows cannot be read while it is rebuilt: STORE_UNAVAILABLE, which sends readers to another copy. */
  guard<Store extends OnlineStore & Partial<RowVisits>>(store: Store): Store {
    const { refill } = this.#options;
    const assertWhole = (table: TableRef, isMissing: (of: TableRef) => boolean): void => {
      if (!this.#isWhole) throw new ProblemError(problem('STORE_UNAVAILABLE', this.#reason));
      if (isMissing(table))
        throw new ProblemError(problem('STORE_UNAVAILABLE', 'the rows are awaited from another region'));
    };
    const isAwaited = (table: TableRef): boolean => refill.awaits(table);
    const { visit } = store;
    const replaced: Partial<OnlineStore & RowVisits> = {
      read: async (table, keys, options) => {
        assertWhole(table, isAwaited);
        return store.read(table, keys, options);
      },
      scan: async (table, options) => {
        assertWhole(table, of => refill.isEmpty(of));
        return store.scan(table, options);
      },
      ...(visit === undefined
        ? {}
        : {
            visit: (table, keys, take) => {
              assertWhole(table, isAwaited);
              visit.call(store, table, keys, take);
            },
          }),
    };
    return overlay(store, replaced as Partial<Store>);
  }

  /** Rejects where the store does not answer. */
  async #ask(): Promise<void> {
    const { store, refill } = this.#options;
    if (this.#isWhole) return;
    const isWhole = (await store.watermark(WHOLE)) > 0;
    if (isWhole) await refill.look();
    else if (!this.#isKnown) this.#tell('the online store is new or was lost; it is rebuilt from the log');
    this.#isKnown = true;
    this.#isWhole = isWhole;
  }

  /** A store that is away at the start is known as soon as it answers, with the log or without. */
  async #askAgain(signal: AbortSignal): Promise<void> {
    while (!this.#isKnown && !signal.aborted) {
      await this.#options.timer.sleep(POLL_MS, signal);
      await this.#ask().catch(() => undefined);
    }
  }

  /** What the log has forgotten is noted first: a crash in between must not leave it out. */
  async #becomeWhole(log: ChangeLog): Promise<void> {
    const { store, refill, logger } = this.#options;
    const first = await log.firstSequence();
    if (first > 1) {
      logger.warn(
        { forgotten: first - 1 },
        'the log has forgotten its beginning; what it held is asked of peers',
      );
      await refill.begin();
    }
    await refill.look(log.feedEpoch);
    await store.apply({ ...NO_STEP, watermark: { name: WHOLE, sequence: 1 } });
    this.#isWhole = true;
  }

  async #missing(wanted: ReadonlyMap<string, number>): Promise<number> {
    let missing = 0;
    for (const [name, sequence] of wanted)
      if ((await this.#options.store.watermark(name)) < sequence) missing += 1;
    return missing;
  }

  /** Told once, however often it is tried again. */
  #cannotWatch(error: unknown): void {
    const failure = error instanceof ProblemError ? error.problem.detail : 'unexpected; see the log';
    if (failure !== this.#failure)
      this.#options.logger.warn({ err: error }, 'the rebuild of the online store cannot be watched');
    this.#failure = failure;
  }

  #tell(reason: string): void {
    if (reason === this.#reason) return;
    this.#reason = reason;
    this.#options.logger.warn({}, reason);
  }
}

function warningOf(state: RebuildState | undefined): string | undefined {
  if (state === undefined) return undefined;
  const awaited = state.awaited.map(
    ({ group, version, peers }) => `${group}@v${version} is awaited from ${peers.join(' and ')}`,
  );
  const lost = state.lost.map(
    ({ group, version, rows }) => `${rows} rows of ${group}@v${version} are lost: no other region holds them`,
  );
  return `the online store was lost; ${[...awaited, ...lost].slice(0, MAX_TOLD).join('; ')}`;
}
