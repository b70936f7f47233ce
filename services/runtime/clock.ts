import { readFileSync } from 'node:fs';

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

/** How often a drill's offset is read. */
const OFFSET_KEPT_MS = 100;

/** The machine's clocks. `FEATUREMESH_CLOCK_OFFSET_FILE`, for drills only, names a file with the milliseconds by which the wall clock is wrong. */
export const systemClock: Clock & MonotonicClock = machineClock(process.env['FEATUREMESH_CLOCK_OFFSET_FILE']);

function machineClock(offsetFile: string | undefined): Clock & MonotonicClock {
  const monotonicMs = (): number => performance.now();
  if (offsetFile === undefined || offsetFile === '')
    return { nowMs: () => Date.now(), nowUs: () => BigInt(Date.now()) * 1_000n, monotonicMs };
  const nowMs = wrongClock(offsetFile);
  return { nowMs, nowUs: () => BigInt(nowMs()) * 1_000n, monotonicMs };
}

/** The wall clock with the offset that the file holds at the time; none where there is no such file. */
function wrongClock(offsetFile: string): () => number {
  let offsetMs = 0;
  let readMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - readMs >= OFFSET_KEPT_MS) {
      readMs = performance.now();
      offsetMs = readOffset(offsetFile);
    }
    return Date.now() + offsetMs;
  };
}

function readOffset(offsetFile: string): number {
  try {
    const offsetMs = Number(readFileSync(offsetFile, 'utf8'));
    return Number.isFinite(offsetMs) ? Math.trunc(offsetMs) : 0;
  } catch {
    return 0;
  }
}
