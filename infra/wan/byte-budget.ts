/** Counts bytes that many pipes hold together and tells those that wait when there is room again. */
export class ByteBudget {
  readonly #maxBytes: number;
  readonly #waiting = new Set<() => void>();
  #heldBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** True where less than the bound is held. */
  get hasRoom(): boolean {
    return this.#heldBytes < this.#maxBytes;
  }

  /** Counts bytes that are held already: what was read cannot be refused, so the bound is passed by one read at most. */
  take(bytes: number): void {
    this.#heldBytes += bytes;
  }

  /** Counts bytes that are held no longer; who waits is called once when there is room. */
  give(bytes: number): void {
    this.#heldBytes -= bytes;
    if (!this.hasRoom) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }

  /** Calls `resume` once when there is room. */
  whenRoom(resume: () => void): void {
    this.#waiting.add(resume);
  }

  /** Forgets one that waits. */
  forget(resume: () => void): void {
    this.#waiting.delete(resume);
  }
}
