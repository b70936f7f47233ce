import assert from 'node:assert/strict';

/** A flight counts as late from this many minutes on: the Bureau of Transportation Statistics' own threshold. */
export const LATE_FROM_MIN = 15;

/** Delays that a window tells apart, in minutes; the source holds −1,116 to 1,688. */
const MIN_DELAY_MIN = -1_500;
const DELAY_SLOTS = 4_096;
const FIRST_CAPACITY = 64;

/**
 * Delays of one airport in a rolling window (t − length, t], t being the newest flight: count, mean, 90th percentile and share of
 * late flights, all exact, in O(log 4,096) a flight. Memory grows with the flights inside the window only.
 */
export class DelayWindow {
  readonly #lengthMs: number;
  /** Fenwick tree over the delays: how many flights had at most a given delay. */
  readonly #tree = new Uint32Array(DELAY_SLOTS + 1);
  #times = new Float64Array(FIRST_CAPACITY);
  #delays = new Int16Array(FIRST_CAPACITY);
  #oldest = 0;
  #flights = 0;
  #sumMin = 0;
  #late = 0;

  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs;
  }

  get flights(): number {
    return this.#flights;
  }

  /** Mean delay in minutes; NaN while the window is empty. */
  get meanMin(): number {
    return this.#sumMin / this.#flights;
  }

  /** Share of flights at least `LATE_FROM_MIN` late; NaN while the window is empty. */
  get lateShare(): number {
    return this.#late / this.#flights;
  }

  /** 90th percentile by nearest rank: the least delay that at least nine tenths of the flights do not exceed. */
  get p90Min(): number {
    let remaining = Math.ceil((this.#flights * 9) / 10);
    let at = 0;
    for (let step = DELAY_SLOTS / 2; step >= 1; step /= 2) {
      const below = this.#tree[at + step] ?? 0;
      if (below < remaining) {
        at += step;
        remaining -= below;
      }
    }
    return at + MIN_DELAY_MIN;
  }

  /** Adds a flight, no older than those before it, and lets go of those that are now outside. */
  add(timeMs: number, delayMin: number): void {
    const slot = delayMin - MIN_DELAY_MIN;
    assert(slot >= 0 && slot < DELAY_SLOTS - 1, 'the delay is outside the range of the source');
    this.#evict(timeMs - this.#lengthMs);
    if (this.#flights === this.#times.length) this.#grow();
    const at = (this.#oldest + this.#flights) & (this.#times.length - 1);
    this.#times[at] = timeMs;
    this.#delays[at] = delayMin;
    this.#flights += 1;
    this.#count(delayMin, 1);
  }

  #evict(untilMs: number): void {
    while (this.#flights > 0 && (this.#times[this.#oldest] ?? 0) <= untilMs) {
      this.#count(this.#delays[this.#oldest] ?? 0, -1);
      this.#oldest = (this.#oldest + 1) & (this.#times.length - 1);
      this.#flights -= 1;
    }
  }

  #count(delayMin: number, change: 1 | -1): void {
    this.#sumMin += change * delayMin;
    if (delayMin >= LATE_FROM_MIN) this.#late += change;
    for (let i = delayMin - MIN_DELAY_MIN + 1; i <= DELAY_SLOTS; i += i & -i) {
      this.#tree[i] = (this.#tree[i] ?? 0) + change;
    }
  }

  /** Doubles the ring, whose size stays a power of two, with the oldest flight first. */
  #grow(): void {
    const times = new Float64Array(this.#times.length * 2);
    const delays = new Int16Array(times.length);
    const tail = this.#times.length - this.#oldest;
    times.set(this.#times.subarray(this.#oldest), 0);
    times.set(this.#times.subarray(0, this.#oldest), tail);
    delays.set(this.#delays.subarray(this.#oldest), 0);
    delays.set(this.#delays.subarray(0, this.#oldest), tail);
    [this.#times, this.#delays, this.#oldest] = [times, delays, 0];
  }
}
