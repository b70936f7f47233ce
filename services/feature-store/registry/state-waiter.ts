import type { MeshState } from '@featuremesh/domain/mesh-state';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Timer } from '@featuremesh/runtime/timer';
import type { Registry } from '../ports/registry.ts';

/** Long polls at once: a sync agent, a gateway and an operator's tools, with their retries. */
const MAX_WAITERS = 64;

/** Long polls over the mesh state; a poll answers at once where there is news, else when there is some or its time is over. */
export class StateWaiter {
  readonly #registry: Pick<Registry, 'state' | 'onChange'>;
  readonly #timer: Timer;
  readonly #signal: AbortSignal;
  #waiting = 0;

  /** All polls end when `signal` aborts. */
  constructor(options: {
    registry: Pick<Registry, 'state' | 'onChange'>;
    timer: Timer;
    signal: AbortSignal;
  }) {
    this.#registry = options.registry;
    this.#timer = options.timer;
    this.#signal = options.signal;
  }

  /** The state as soon as its revision exceeds `revision`, else as it is after `waitMs`; OVERLOADED where too many wait. */
  async after(revision: number, waitMs: number): Promise<MeshState> {
    if (this.#registry.state().revision > revision || waitMs === 0) return this.#registry.state();
    if (this.#waiting >= MAX_WAITERS)
      throw new ProblemError(problem('OVERLOADED', `at most ${MAX_WAITERS} polls wait at once`));
    this.#waiting += 1;
    const done = new AbortController();
    const unsubscribe = this.#registry.onChange(state => {
      if (state.revision > revision) done.abort();
    });
    const signal = AbortSignal.any([done.signal, this.#signal]);
    try {
      await this.#timer.sleep(waitMs, signal);
    } finally {
      unsubscribe();
      this.#waiting -= 1;
    }
    return this.#registry.state();
  }
}
