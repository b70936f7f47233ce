import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import { overlay } from '@featuremesh/runtime/overlay';
import type { Timer } from '@featuremesh/runtime/timer';
import type { ChangeLog, LogFilter } from '../ports/change-log.ts';
import type { OnlineStore, RowVisits } from '../ports/online-store.ts';
import { importsWatermark, ownWatermark } from './applied-names.ts';
import { MAX_SLOTS } from './ingest-limits.ts';
import { NO_STEP } from './replay-step.ts';

/** Watermark that stands in a store which has once held all of its log: a store without it was lost, or is new. */
const WHOLE = 'whole';
const POLL_MS = 100;

/** What a rebuild works with. */
export interface StoreRebuildOptions {
  readonly store: OnlineStore;
  readonly clock: MonotonicClock;
  readonly timer: Timer;
  readonly logger: Logger;
}

/**
 * Notices a store that was lost, and that it holds again what the log held at the start. Until then it must not be read: what is not
 * applied yet would be called missing (V5). Others apply the log; this only watches.
 */
export class StoreRebuild {
  readonly #options: StoreRebuildOptions;
  #isWhole = false;
  #reason = 'starting';

  private constructor(options: StoreRebuildOptions) {
    this.#options = options;
  }

  /** Looks at the store as it is. */
  static async over(options: StoreRebuildOptions): Promise<StoreRebuild> {
    const rebuild = new StoreRebuild(options);
    rebuild.#isWhole = (await options.store.watermark(WHOLE)) > 0;
    if (!rebuild.#isWhole) rebuild.#reason = 'the online store is new or was lost; waiting for the log';
    return rebuild;
  }

  /** Why the store may not be read, for readiness; undefined where it may. */
  notReady(): string | undefined {
    return this.#isWhole ? undefined : this.#reason;
  }

  /** Watches until the store has applied what the log holds now; returns at once where it is whole. Ends with the signal. */
  async follow(log: ChangeLog, signal: AbortSignal): Promise<void> {
    const { store, clock, timer, logger } = this.#options;
    const startedMs = clock.monotonicMs();
    if (!this.#isWhole) this.#tell('the online store is new or was lost; it is rebuilt from the log');
    let wanted: ReadonlyMap<string, number> | undefined;
    while (!this.#isWhole && !signal.aborted) {
      try {
        wanted ??= await this.#wanted(log);
        const missing = await this.#missing(wanted);
        if (missing === 0) {
          await store.apply({ ...NO_STEP, watermark: { name: WHOLE, sequence: 1 } });
          this.#isWhole = true;
          const tookMs = Math.round(clock.monotonicMs() - startedMs);
          logger.info({ tookMs }, 'the online store holds what the log holds');
          return;
        }
        this.#tell(`it is rebuilt from the log: ${missing} of its appenders are not applied`);
      } catch (error) {
        logger.warn({ err: error }, 'the rebuild of the online store cannot be watched');
      }
      await timer.sleep(POLL_MS, signal);
    }
  }

  /** The store, whose rows cannot be read while it is rebuilt: STORE_UNAVAILABLE, which sends readers to another copy. */
  guard<Store extends OnlineStore & Partial<RowVisits>>(store: Store): Store {
    const assertWhole = (): void => {
      if (!this.#isWhole) throw new ProblemError(problem('STORE_UNAVAILABLE', this.#reason));
    };
    const { visit } = store;
    const replaced: Partial<OnlineStore & RowVisits> = {
      read: async (table, keys, options) => {
        assertWhole();
        return store.read(table, keys, options);
      },
      scan: async (table, options) => {
        assertWhole();
        return store.scan(table, options);
      },
      ...(visit === undefined
        ? {}
        : {
            visit: (table, keys, take) => {
              assertWhole();
              visit.call(store, table, keys, take);
            },
          }),
    };
    return overlay(store, replaced as Partial<Store>);
  }

  /** Last sequence of everyone who appended to the log, by the watermark that must reach it. */
  async #wanted(log: ChangeLog): Promise<ReadonlyMap<string, number>> {
    const wanted = new Map<string, number>();
    const add = async (watermark: string, filter: LogFilter): Promise<void> => {
      const sequence = await log.lastSequence(filter);
      if (sequence > 0) wanted.set(watermark, sequence);
    };
    for (let slot = 0; slot < MAX_SLOTS; slot += 1)
      await add(ownWatermark(slot, log.feedEpoch), { kind: 'own', slot });
    await add(importsWatermark(log.feedEpoch), { kind: 'imports' });
    return wanted;
  }

  async #missing(wanted: ReadonlyMap<string, number>): Promise<number> {
    let missing = 0;
    for (const [name, sequence] of wanted)
      if ((await this.#options.store.watermark(name)) < sequence) missing += 1;
    return missing;
  }

  #tell(reason: string): void {
    if (reason === this.#reason) return;
    this.#reason = reason;
    this.#options.logger.warn({}, reason);
  }
}
