/** A repetition that can be ended. */
export interface Repetition {
  /** No further call begins; one under way ends by itself. Idempotent. */
  stop(): void;
}

/** Waiting as an injected input, so that the simulator can run it on its own time. */
export interface Timer {
  /** Resolves after `ms`, or at once when the signal aborts; never rejects, so loops ask `signal.aborted` afterwards. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /**
   * Calls `task` again and again, `ms` after the last call ended, so that calls never overlap. A task handles its own errors:
   * what it throws is a defect and ends the process.
   */
  every(ms: number, task: () => void | Promise<void>): Repetition;
}

/** Timers of the machine. */
export const systemTimer: Timer = {
  sleep: (ms, signal) => {
    if (signal?.aborted) return Promise.resolve();
    return new Promise(resolve => {
      const done = (): void => {
        clearTimeout(handle);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const handle = setTimeout(done, ms);
      signal?.addEventListener('abort', done, { once: true });
    });
  },
  every: (ms, task) => {
    let stopped = false;
    let handle: NodeJS.Timeout | undefined;
    const run = async (): Promise<void> => {
      await task();
      if (!stopped) handle = setTimeout(run, ms);
    };
    handle = setTimeout(run, ms);
    return {
      stop: () => {
        stopped = true;
        clearTimeout(handle);
      },
    };
  },
};
