import type { MonotonicClock } from '@featuremesh/runtime/clock';
import { type LoaderState, writeState } from './loader-state.ts';

/** How often at most the state is written while it changes. */
const SAVE_EVERY_MS = 1_000;

/** The state in memory, and in its file about once a second: what is sent again after a crash is little and harmless. */
export class SavedState {
  readonly #folder: string;
  readonly #clock: MonotonicClock;
  #state: LoaderState | undefined;
  #savedMs = Number.NEGATIVE_INFINITY;

  constructor(folder: string, clock: MonotonicClock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  get current(): LoaderState {
    if (this.#state === undefined) throw new Error('there is no state yet');
    return this.#state;
  }

  save(state: LoaderState): void {
    this.#state = state;
    if (this.#clock.monotonicMs() - this.#savedMs >= SAVE_EVERY_MS) this.flush();
  }

  flush(): void {
    if (this.#state !== undefined) writeState(this.#folder, this.#state);
    this.#savedMs = this.#clock.monotonicMs();
  }
}
