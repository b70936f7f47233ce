/** The capped line that all connections of a path share in one direction: bytes leave one after the other. */
export class SharedLine {
  #freeAtMs = 0;

  /** When the last of these bytes has left, given the line's rate; at once where there is no cap. */
  leavesAtMs(bytes: number, nowMs: number, bytesPerSecond: number | null): number {
    if (bytesPerSecond === null) return nowMs;
    this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + (bytes * 1_000) / bytesPerSecond;
    return this.#freeAtMs;
  }
}
