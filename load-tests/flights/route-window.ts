import { LATE_FROM_MIN } from './delay-window.ts';

/** Flights that a route's means cover: about four days on an average route, and a bound on memory. */
const ROUTE_FLIGHTS = 20;

/** Delays of the last 20 flights of one route. */
export class RouteWindow {
  readonly #delays: number[] = [];
  #sumMin = 0;
  #late = 0;

  get flights(): number {
    return this.#delays.length;
  }

  /** Mean in minutes; NaN while there was no flight. */
  get meanMin(): number {
    return this.#sumMin / this.#delays.length;
  }

  /** Share of flights at least `LATE_FROM_MIN` late; NaN while there was no flight. */
  get lateShare(): number {
    return this.#late / this.#delays.length;
  }

  /** Adds the newest flight; the oldest of more than 20 goes. */
  add(delayMin: number): void {
    this.#delays.push(delayMin);
    this.#count(delayMin, 1);
    const oldest = this.#delays.length > ROUTE_FLIGHTS ? this.#delays.shift() : undefined;
    if (oldest !== undefined) this.#count(oldest, -1);
  }

  #count(delayMin: number, change: 1 | -1): void {
    this.#sumMin += change * delayMin;
    if (delayMin >= LATE_FROM_MIN) this.#late += change;
  }
}
