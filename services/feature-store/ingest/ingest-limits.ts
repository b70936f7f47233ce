import { MAX_IDEMPOTENCY_ENTRIES, MAX_ROWS_IN_FLIGHT } from '@featuremesh/domain/limits';

/** Bounds of the write path of one process. */
export interface IngestLimits {
  /** Rows between packing and answer, over all requests; beyond it new requests get OVERLOADED. */
  readonly maxRowsInFlight: number;
  /** Bytes of admitted request bodies, and as many again of packed chunks, over all requests. */
  readonly maxBytesInFlight: number;
  readonly maxIdempotencyEntries: number;
}

/** The bounds of a running region. */
export const INGEST_LIMITS: IngestLimits = {
  maxRowsInFlight: MAX_ROWS_IN_FLIGHT,
  // Eight of the largest JSON bodies, or sixteen of the largest chunks.
  maxBytesInFlight: 128 * 1024 * 1024,
  maxIdempotencyEntries: MAX_IDEMPOTENCY_ENTRIES,
};

/** Chunks that one request may have in flight: enough to hide one synced append, little enough to share. */
export const MAX_REQUEST_CHUNKS_IN_FLIGHT = 4;

/** What a chunk counts for at least: its request costs as much as so many rows, whatever it holds. */
export const LEAST_CHUNK_ROWS = 16;

/** Messages of one table that carry small writes of several requests and are on their way to the log: while one is synced, the next one fills. */
export const MAX_SHARED_APPENDS = 1;

/** Chunks above it are messages of their own: one disk sync for so many rows is cheap already. */
export const MAX_SHARED_ROWS = 128;

/** What a streamed request is admitted with: the line buffer and one chunk of usual size. Larger chunks are counted as they arise. */
export const STREAM_ADMISSION_BYTES = 1024 * 1024;

/** When a refused caller may try again: a full set of chunks is gone by then. */
export const OVERLOADED_RETRY_MS = 1_000;

/** Rows over which duplicates of a streamed request are found; a JSON body is far below it or judged by the same window. */
export const DUPLICATE_WINDOW_ROWS = 65_536;

/** Length of a slot's or the projector's lease: longer than a pause of the process that nobody notices, short for a restart. */
export const LEASE_MS = 5_000;

/** How long before a slot's lease runs out a renewal that is not answered yet counts as failed: a turn of a busy event loop. */
export const LEASE_MARGIN_MS = 200;

/** How often leases are renewed. */
export const LEASE_RENEW_MS = 1_000;

/** Node slots that a projector looks after; the supervisor numbers its processes from 0. */
export const MAX_SLOTS = 16;

/** How long after an append of unknown outcome the log is read again: what the broker still had of it has landed by then. */
export const UNKNOWN_APPEND_QUARANTINE_MS = 10_000;

/** After this long a writer is told that its rows are in the log and not in the store yet: a little more than a region's deadline for a read … */
export const APPLY_PATIENCE_MS = 2_000;

/** … and after this while earlier steps are late by so much. */
export const LATE_APPLY_PATIENCE_MS = 200;

/** First and longest pause between two tries of a recovery. */
export const RETRY_FIRST_MS = 50;

/** See `RETRY_FIRST_MS`. */
export const RETRY_LONGEST_MS = 2_000;

/** Steps that a replay may have issued and not yet awaited. */
export const REPLAY_STEPS_IN_FLIGHT = 16;

/** How often old idempotency records are removed, and how many at once: 10,000 a minute is above the rate of writing them. */
export const IDEMPOTENCY_SWEEP_MS = 60_000;

/** See `IDEMPOTENCY_SWEEP_MS`; in portions so that no transaction is long. */
export const IDEMPOTENCY_SWEEP_ENTRIES = 2_000;

/** How often the projector looks for tails of slots whose process is gone. */
export const TAKEOVER_CHECK_MS = 2_000;

/** How often it is looked whether a table is due for a sweep. */
export const SWEEP_CHECK_MS = 10_000;

/** A table is swept again after this share of its group's retention … */
export const SWEEP_SHARE = 0.01;

/** … and after so long at least: a sweep reads the whole table. */
export const SWEEP_LEAST_MS = 600_000;

/** How often a table is swept whose group has no retention any more, for what had expired before. */
export const SWEEP_REST_MS = 24 * 3_600_000;

/** Rows of one page of a sweep, and the pause after each: at most 5,000 rows a second are read, a few per cent of what a store serves. */
export const SWEEP_PAGE_ROWS = 500;

/** See `SWEEP_PAGE_ROWS`. */
export const SWEEP_PAUSE_MS = 100;

/** How often it is looked whether a node of the store is away. */
export const COPIES_LOOK_MS = 1_000;

/** How often it is noted how far the log is applied. */
export const COPIES_SAMPLE_MS = 5_000;

/**
 * How far what every copy is known to have trails what was applied: longer than a dead node goes unnoticed (up to 18 s by gossip) and a node
 * takes to hand on what it kept for another (every 10 s).
 */
export const COPIES_LAG_MS = 30_000;

/** How long all nodes must have been back before rows are applied again: each must have heard of the others. */
export const COPIES_SETTLE_MS = 5_000;

/** Longest such time, after tries that failed: each doubles it. */
export const COPIES_SETTLE_LONGEST_MS = 60_000;

/** Messages of the log whose rows are applied again before it is written down how far that got. */
export const AGAIN_SLICE_MESSAGES = 10_000;

/** Rows that are gathered for a step of those … */
export const AGAIN_STEP_ROWS = 500;

/** … and how many a second at the most: a third of what a small cluster takes beside its other work. */
export const AGAIN_ROWS_PER_S = 4_000;

/** How long an absence that was made good is told by readiness. */
export const AGAIN_TOLD_MS = 600_000;
