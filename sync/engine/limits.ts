/** Bounds of the sync engine, each with its reason. */

/** Longest that a missing batch is waited for before it counts as a gap: thrice the broker's redelivery time. */
export const GAP_PATIENCE_MS = 6_000;

/** Batches kept aside while one before them is missing: the window of the link. */
export const MAX_AHEAD_BATCHES = 64;

/** Between two progress messages of an idle link; bounds how stale the known lag is. */
export const PROGRESS_INTERVAL_MS = 1_000;

/** Between two cursors stored for progress alone: each is a synced append, and below the broker's redelivery time of 2 s. */
export const IDLE_CURSOR_INTERVAL_MS = 1_500;

/** Wait for the next message before the loop looks at its timers. */
export const LOOP_WAIT_MS = 200;

/** After an error a link session begins anew, no faster than this and no slower than that. */
export const SESSION_BACKOFF_MS = { least: 200, most: 5_000 } as const;

/** A snapshot of which nothing arrived for this long is asked for again. */
export const SNAPSHOT_PATIENCE_MS = 30_000;

/** Between two looks whether the store has applied what was shipped, before a snapshot of it begins. */
export const STORE_PATIENCE_MS = 200;

/** Before a page of a snapshot that the region's own store did not give is asked for again. */
export const SNAPSHOT_RETRY_MS = 1_000;

/** Snapshots that wait at an exporter; more are declined as busy and asked for again. */
export const MAX_QUEUED_SNAPSHOTS = 16;

/** Snapshots that an importer may have open: the cursor's header stays small. */
export const MAX_OPEN_SNAPSHOTS = 8;

/** Between two questions whether the region's own store was lost, and two reports of what came. */
export const REFILL_INTERVAL_MS = 2_000;

/** Held batches looked at in one pass. */
export const MAX_HELD_PER_PASS = 64;

/** Between two looks at held batches. */
export const HELD_INTERVAL_MS = 1_000;

/** Between two reads of how many batches wait for the peer: fresh enough to keep the window full. */
export const PENDING_INTERVAL_MS = 250;

/** Between two removals of what the peer has acknowledged, and two savings of ship cursors. */
export const TRIM_INTERVAL_MS = 5_000;

/** Between two words to a peer that policy is unchanged. */
export const POLICY_CONFIRM_INTERVAL_MS = 5_000;

/** Between two looks at what a peer may know: a policy's date passes without news. */
export const CATALOGUE_LOOK_MS = 1_000;

/** Control messages that may wait for a peer before nothing but what it lacks is added. */
export const MAX_CONTROL_PENDING = 1_000;

/** Catalogue entries of one control message. */
export const MAX_ENTRIES_PER_MESSAGE = 50;

/** Former link epochs that a cursor remembers: re-delivery does not reach further back than one or two. */
export const MAX_RETIRED_EPOCHS = 4;

/** How long a loop's last error is shown in status. */
export const RECENT_ERROR_MS = 30_000;

/** Batches of which an exporter remembers the group: what may wait in OUT, and what was acknowledged since the last trim. */
export const MAX_REMEMBERED_BATCHES = 2_048;
