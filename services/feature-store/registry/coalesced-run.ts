/** Work of which at most one run is under way and one waits: who asks meanwhile waits for the one that begins after. */
export class CoalescedRun {
  readonly #work: () => Promise<void>;
  #running: Promise<void> = Promise.resolve();
  #queued = false;

  /** `work` must not reject: nobody may be waiting for it. */
  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Resolves when a run that began after this call has ended. */
  run(): Promise<void> {
    if (this.#queued) return this.#running;
    this.#queued = true;
    this.#running = this.#running.then(() => {
      this.#queued = false;
      return this.#work();
    });
    return this.#running;
  }

  /** Resolves when what was asked for until now has ended. */
  ended(): Promise<void> {
    return this.#running;
  }
}
