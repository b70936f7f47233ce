import type { RegionHealth } from '@featuremesh/domain/read-plan';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import { BREAKER_FAILURES, BREAKER_FIRST_PAUSE_MS, BREAKER_LONGEST_PAUSE_MS } from '../limits.ts';

type State =
  | { readonly kind: 'untried'; readonly failures: number }
  | { readonly kind: 'closed'; readonly failures: number }
  | { readonly kind: 'open'; readonly untilMs: number; readonly pauseMs: number }
  | { readonly kind: 'trying'; readonly pauseMs: number };

/**
 * Remembers whether a region answers. After `BREAKER_FAILURES` failures in a row it lets nothing through for a pause that
 * doubles, then one call at a time until one succeeds.
 */
export class CircuitBreaker {
  readonly #clock: MonotonicClock;
  #state: State = { kind: 'untried', failures: 0 };

  constructor(clock: MonotonicClock) {
    this.#clock = clock;
  }

  /** True where a call may be made now; every permitted call must be followed by `succeeded` or `failed`. */
  permits(): boolean {
    const state = this.#state;
    switch (state.kind) {
      case 'untried':
      case 'closed':
        return true;
      case 'open':
        if (this.#clock.monotonicMs() < state.untilMs) return false;
        this.#state = { kind: 'trying', pauseMs: state.pauseMs };
        return true;
      case 'trying':
        return false;
    }
  }

  /** The region answered; whatever it said, it is there. */
  succeeded(): void {
    this.#state = { kind: 'closed', failures: 0 };
  }

  /** The region did not answer, or not in time. */
  failed(): void {
    const state = this.#state;
    if (state.kind === 'open') return;
    if (state.kind === 'trying') {
      this.#open(Math.min(state.pauseMs * 2, BREAKER_LONGEST_PAUSE_MS));
      return;
    }
    const failures = state.failures + 1;
    if (failures >= BREAKER_FAILURES) this.#open(BREAKER_FIRST_PAUSE_MS);
    else this.#state = { kind: state.kind, failures };
  }

  /** `down` while nothing is let through, `up` after an answer, else `unknown`. */
  health(): RegionHealth {
    const state = this.#state;
    switch (state.kind) {
      case 'closed':
        return 'up';
      case 'untried':
        return 'unknown';
      case 'open':
        return this.#clock.monotonicMs() < state.untilMs ? 'down' : 'unknown';
      case 'trying':
        return 'down';
    }
  }

  #open(pauseMs: number): void {
    this.#state = { kind: 'open', untilMs: this.#clock.monotonicMs() + pauseMs, pauseMs };
  }
}
