import type { Timer } from '@featuremesh/runtime/timer';

/** Hands items from a producer to one consumer that may wait for them; whoever fills it bounds it. */
export class Mailbox<T> {
  readonly #timer: Timer;
  readonly #items: T[] = [];
  #wake: (() => void) | undefined;

  constructor(timer: Timer) {
    this.#timer = timer;
  }

  put(item: T): void {
    this.#items.push(item);
    this.#wake?.();
  }

  /** The oldest item; undefined after `waitMs` without one, or when the signal aborts. */
  async next(waitMs: number, signal: AbortSignal): Promise<T | undefined> {
    if (this.#items.length === 0 && !signal.aborted) await this.#arrival(waitMs, signal);
    return this.#items.shift();
  }

  clear(): void {
    this.#items.length = 0;
  }

  async #arrival(waitMs: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await this.#timer.sleep(waitMs, AbortSignal.any([signal, woken.signal]));
    this.#wake = undefined;
  }
}
