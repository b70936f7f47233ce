import { assert } from '@featuremesh/domain/assert';

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/**
 * Virtual time: events run in order of their time and, within it, in the order in which they were scheduled. After each event all
 * promises that it settled run to the end before the next, so that one seed gives one run. Time stands still between events.
 */
export class Scheduler {
  #nowMs: number;
  #order = 0;
  readonly #heap: Entry[] = [];

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  /** True simulated time, ms since the Unix epoch. */
  nowMs(): number {
    return this.#nowMs;
  }

  /** Runs `run` after `delayMs`; the returned function cancels it. */
  after(delayMs: number, run: () => void): () => void {
    const entry: Entry = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order++,
      run,
      cancelled: false,
    };
    this.#push(entry);
    return () => {
      entry.cancelled = true;
    };
  }

  /** Runs all events due until `untilMs`, then sets the time to it. Stops early where `stop` says so. */
  async runUntil(untilMs: number, stop: () => boolean = () => false): Promise<void> {
    await settle();
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#pop();
      if (next.cancelled) continue;
      assert(next.atMs >= this.#nowMs, 'simulated time does not go back');
      this.#nowMs = next.atMs;
      next.run();
      await settle();
      if (stop()) return;
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(entry, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = heap[child];
      const right = heap[child + 1];
      if (left === undefined) break;
      if (right !== undefined && before(right, left)) child++;
      const smaller = heap[child];
      if (smaller === undefined || !before(smaller, last)) break;
      heap[at] = smaller;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.atMs !== b.atMs ? a.atMs < b.atMs : a.order < b.order;
}

/** Lets every promise that can settle do so: the macrotask queue comes after all microtasks. */
function settle(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}
