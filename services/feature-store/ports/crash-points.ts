/**
 * Named moments of applying the log at which a test may end the process; each lies between two effects of which the first must not be
 * lost and the second must not be needed.
 */
export const CRASH_POINTS = [
  /** An own chunk is in the log and nothing of it in the store. */
  'own/appended',
  /** An own chunk is applied; its writer has no answer. */
  'own/applied',
  /** Rows are in a store without transactions; no watermark or position claims them. */
  'store/rows-written',
  /** A logged message of a slot or an import is read and not applied. */
  'replay/read',
  /** A logged message is applied. */
  'replay/applied',
  /** The lease of a slot whose process is gone is taken; its tail is not applied. */
  'takeover/leased',
  /** That tail is applied; the lease is still held. */
  'takeover/applied',
] as const;

/** One of them. */
export type CrashPoint = (typeof CRASH_POINTS)[number];

/** Told that a point was reached; what it waits for holds the work up there. Never given in production, where a point costs one comparison. */
export type OnCrashPoint = (point: CrashPoint) => Promise<void>;
