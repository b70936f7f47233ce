/** Wall-clock time since the Unix epoch; it may jump back, as real clocks do. Inject it: nothing outside runtime asks the machine. */
export interface Clock {
  /** Milliseconds. */
  nowMs(): number;
  /** Microseconds; its resolution may be a millisecond. */
  nowUs(): bigint;
}

/** Time that never goes back, for measuring durations; its origin has no meaning. */
export interface MonotonicClock {
  /** Milliseconds with a fraction. */
  monotonicMs(): number;
}

/** The machine's clocks. */
export const systemClock: Clock & MonotonicClock = {
  nowMs: () => Date.now(),
  nowUs: () => BigInt(Date.now()) * 1_000n,
  monotonicMs: () => performance.now(),
};
