/** Every bound of the system that more than one package relies on, once, with its reason. */

/** Rows of one FEED message: small enough for bounded memory, large enough to pay for one synced append (A2). */
export const MAX_CHUNK_ROWS = 512;

/** Bytes of one packed row: 512 of them stay below the broker's payload limit (A2). */
export const MAX_ROW_BYTES = 12 * 1024;

/** The broker's `max_payload`: 512 rows × (12 KiB + 1 KiB of key) fit. */
export const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;

/** Bytes of an encoded entity key (A3). */
export const MAX_ENTITY_KEY_BYTES = 1024;

/** How far an event or created time may lie ahead of the accepting clock. */
export const MAX_CLOCK_SKEW_MS = 5_000;

/** Bytes of one JSON request body; larger writes use NDJSON, which streams. */
export const MAX_JSON_BODY_BYTES = 16 * 1024 * 1024;

/** Bytes of one NDJSON line: a row of 12 KiB packed is at most this much as JSON. */
export const MAX_NDJSON_LINE_BYTES = 256 * 1024;

/** Rows of one online read: about ten slates of 1 + 50. */
export const MAX_READ_ROWS = 1_000;

/** Features of one online read. */
export const MAX_READ_FEATURES = 500;

/** Features of one group: the null bitmap and the offsets stay small. */
export const MAX_GROUP_FEATURES = 500;

/** Rejections listed in one answer (interfaces, rows API). */
export const MAX_LISTED_REJECTIONS = 1_000;

/** How long an idempotency key is remembered. */
export const IDEMPOTENCY_WINDOW_MS = 24 * 3_600_000;

/** Entries of the idempotency index: 24 h of 20 keyed chunks a second. */
export const MAX_IDEMPOTENCY_ENTRIES = 2_000_000;

/** Rows a process may have appended but not yet applied, 64 full chunks; beyond it writes get 429. */
export const MAX_ROWS_IN_FLIGHT = 64 * MAX_CHUNK_ROWS;

/** Group tables of one embedded store (LMDB named databases are opened eagerly). */
export const MAX_STORE_TABLES = 512;

/** Unacknowledged batches on one link: 2 × rate × RTT at 100 batches/s and 150 ms, with room (A5). */
export const MAX_LINK_BATCHES_IN_FLIGHT = 64;

/** Group tables of one Cassandra cluster unless configured: each keeps 0.35 MB of heap on every node, and 1.3 MB while it is written; 200 fill 324 of 512 MB (measured). */
export const MAX_CLUSTER_TABLES = 200;

/** Rows of one OUT batch. */
export const MAX_LINK_BATCH_ROWS = 512;

/** Longest request that a gateway makes of a region. */
export const REGION_DEADLINE_MS = 2_000;

/** Characters of a description, owner, team or reason: a page, so that a catalogue stays small on the links. */
export const MAX_NOTE_CHARS = 4_000;

/** Groups and services listed up or down the stream of one group: what a person may look through. */
export const MAX_LINEAGE_NODES = 500;

/** How long expired rows stay on disk: longer than a clock may be wrong that nobody has noticed (an hour is tested), so that two processes never disagree about what may come again. */
export const PURGE_GRACE_MS = 2 * 3_600_000;

/** Longest absence of a peer after which its rows are merged; logical deletions outlive retention by it. Beyond it a region is replaced by snapshot. */
export const MAX_PEER_ABSENCE_MS = 7 * 24 * 3_600_000;
