/** One durable position in FEED: what one peer was sent of one group. */
export interface ExportCursor {
  readonly peer: string;
  readonly groupId: string;
}

/** A chunk of this region's own rows, as the exporter reads it. */
export interface FeedChunk {
  readonly sequence: number;
  readonly groupId: string;
  readonly version: number;
  readonly appender: number;
  /** `domain/feed-chunk` bytes. */
  readonly body: Uint8Array;
  readonly appendedAtMs: number;
  /** Moves the cursor past this chunk and all before it that were acknowledged. */
  ack(): Promise<void>;
}

/** FEED as exporters read it: one durable cursor per (peer, group), so that groups do not wait for each other (A5). */
export interface FeedSource {
  readonly feedEpoch: string;
  /** Chunks not acknowledged yet, at most `maxChunks` in log order, waiting at most `waitMs` for the first. */
  fetch(
    cursor: ExportCursor,
    options: { maxChunks: number; waitMs: number },
  ): Promise<readonly FeedChunk[]>;
  /**
   * Makes sure that the cursor exists and that the log still holds what it has not passed. A new cursor, or one that the log's
   * retention overtook, starts at the oldest own chunk held, with a snapshot due for what went before.
   */
  ensureCursor(cursor: ExportCursor): Promise<{ readonly snapshotDue: boolean }>;
  /** Notes that the snapshot that `ensureCursor` asked for is on its way to the peer. Survives restarts. */
  snapshotSent(cursor: ExportCursor): Promise<void>;
  dropCursor(cursor: ExportCursor): Promise<void>;
  /** Cursors of a peer that exist, so that those of groups no longer exported can be dropped. */
  cursors(peer: string): Promise<readonly ExportCursor[]>;
  /** Last own sequence of the group per appender slot, of what the log still holds. */
  lastSequences(groupId: string): Promise<Readonly<Record<string, number>>>;
}

/** The importer's cursor: the header of the last message on `FEED.*.*.in.<peer>`. */
export interface ImportedCursor {
  readonly linkEpoch: string;
  readonly linkSeq: number;
  /** Chain hash of that batch, hex. */
  readonly hash: string;
  /** Groups of which rows are known to be missing here until a snapshot has come; `*` stands for all. */
  readonly repair: readonly string[];
  /** Local FEED sequence of that message: what the next append expects. */
  readonly sequence: number;
}

/** What the importer appends: bytes unchanged, or nothing but the cursor. */
export interface ImportAppend {
  readonly peer: string;
  /** Undefined: cursor only. */
  readonly rows?: { readonly groupId: string; readonly version: number; readonly body: Uint8Array };
  readonly cursor: Omit<ImportedCursor, 'sequence'>;
  readonly origin: string;
  readonly feedEpoch: string;
  /** Appender slot at the origin → last sequence of which all rows of the group are in the local log with this message. */
  readonly appenders: Readonly<Record<string, number>>;
  readonly sentAtMs: number;
  /** 0 where nothing was imported from the peer yet. */
  readonly expectedSequence: number;
}

/** `fenced`: another importer appended. `refused`: FEED does not permit the group (R2). */
export type ImportOutcome =
  | { readonly kind: 'stored'; readonly sequence: number }
  | { readonly kind: 'fenced' | 'refused' | 'full' | 'unknown' };

/** FEED and HELD as importers write them. Calls that only read reject where the broker does not answer. */
export interface FeedSink {
  cursor(peer: string): Promise<ImportedCursor | undefined>;
  append(message: ImportAppend): Promise<ImportOutcome>;
  /** Sets a batch aside with its reason, deduplicated by link epoch and link_seq. Rejects where it could not be stored. */
  hold(batch: HeldBatch): Promise<void>;
  /** Held batches of a peer that are there now, oldest first; `release` removes one. */
  held(peer: string): AsyncIterable<HeldBatch & { release(): Promise<void> }>;
  /** Tells the region's service how far a peer is known (core message, not stored). */
  progress(progress: { peer: string; knownAsOfMs: number; throughSequence: number }): void;
}

/** Why a batch was set aside. */
export type HeldReason = 'unknown-version' | 'future-event-time' | 'poison';

/** A batch set aside. */
export interface HeldBatch {
  readonly peer: string;
  readonly groupId: string;
  readonly linkEpoch: string;
  readonly linkSeq: number;
  readonly reason: HeldReason;
  /** Envelope as JSON, as received. */
  readonly envelope: string;
  /** Link-encoded rows: all that were received, or those that are held back. */
  readonly body: Uint8Array;
}
