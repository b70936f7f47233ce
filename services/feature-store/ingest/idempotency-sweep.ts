import { IDEMPOTENCY_WINDOW_MS } from '@featuremesh/domain/limits';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { Repetition, Timer } from '@featuremesh/runtime/timer';
import type { OnlineStore } from '../ports/online-store.ts';
import { IDEMPOTENCY_SWEEP_ENTRIES, IDEMPOTENCY_SWEEP_MS } from './ingest-limits.ts';

/** Portions of one sweep: with its entries per portion, more than a full minute of new keys at any rate the index allows. */
const MAX_PORTIONS = 25;

/** What a sweep works with. */
export interface IdempotencySweepOptions {
  readonly store: Pick<OnlineStore, 'sweepIdempotency' | 'countIdempotency'>;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Forgets idempotency keys after their window; every process of a region may run one. */
export class IdempotencySweep {
  readonly #options: IdempotencySweepOptions;
  #repetition: Repetition | undefined;

  constructor(options: IdempotencySweepOptions) {
    this.#options = options;
  }

  /** Begins; the first sweep comes after one interval. */
  start(): void {
    this.#repetition ??= this.#options.timer.every(IDEMPOTENCY_SWEEP_MS, () => this.sweep());
  }

  /** Ends it. */
  stop(): void {
    this.#repetition?.stop();
  }

  /** Removes what is older than the window, in portions; a failure is logged and left to the next time. */
  async sweep(): Promise<void> {
    const { store, clock, logger, metrics } = this.#options;
    try {
      const beforeMs = clock.nowMs() - IDEMPOTENCY_WINDOW_MS;
      for (let portion = 0; portion < MAX_PORTIONS; portion += 1) {
        if ((await store.sweepIdempotency(beforeMs, IDEMPOTENCY_SWEEP_ENTRIES)) < IDEMPOTENCY_SWEEP_ENTRIES)
          break;
      }
      metrics.gauge('featuremesh_idempotency_entries', {}, await store.countIdempotency());
    } catch (error) {
      logger.warn({ err: error }, 'old idempotency keys could not be removed');
    }
  }
}
