/** Clicks and impressions of many things (users or articles) within several windows that all end now. */
export class WindowCounts {
  readonly #windowsMs: readonly number[];
  readonly #impressions: Uint32Array;
  readonly #clicks: Uint32Array;

  /** `windowsMs` in the order in which values are asked for. */
  constructor(things: number, windowsMs: readonly number[]) {
    this.#windowsMs = windowsMs;
    this.#impressions = new Uint32Array(things * windowsMs.length);
    this.#clicks = new Uint32Array(things * windowsMs.length);
  }

  /** Counts an impression in every window that reaches back to it. */
  add(thing: number, ageMs: number, clicked: boolean): void {
    for (const [i, windowMs] of this.#windowsMs.entries()) {
      if (ageMs >= windowMs) continue;
      const at = thing * this.#windowsMs.length + i;
      this.#impressions[at] = (this.#impressions[at] ?? 0) + 1;
      if (clicked) this.#clicks[at] = (this.#clicks[at] ?? 0) + 1;
    }
  }

  impressions(thing: number, window: number): number {
    return this.#impressions[thing * this.#windowsMs.length + window] ?? 0;
  }

  clicks(thing: number, window: number): number {
    return this.#clicks[thing * this.#windowsMs.length + window] ?? 0;
  }

  /** Clicks per impression; 0 where nothing was shown. */
  clickThrough(thing: number, window: number): number {
    const shown = this.impressions(thing, window);
    return shown === 0 ? 0 : this.clicks(thing, window) / shown;
  }
}
