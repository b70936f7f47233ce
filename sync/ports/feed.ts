/** A chunk of this region's own rows, as the exporter reads it. */
export interface FeedChunk {
  readonly sequence: number;
  readonly groupId: string;
  readonly version: number;
  readonly appender: number;
  /** `domain/feed-chunk` bytes. */
  readonly body: Uint8Array;
  readonly appendedAtMs: number;
  ack(): Promise<void>;
}

/** FEED as exporters read it: one durable cursor per (peer, group), so that groups do not wait for each other (A5). */
export interface FeedSource {
  readonly feedEpoch: string;
  /** Chunks above the cursor, at most `maxChunks`, waiting at most `waitMs` for the first. Acknowledged chunks move the cursor. */
  fetch(cursor: { peer: string; groupId: string }, options: { maxChunks: number; waitMs: number }): Promise<readonly FeedChunk[]>;
  /** Creates the cursor at the log's present end and says where that is; false where it existed. */
  ensureCursor(cursor: { peer: string; groupId: string }): Promise<{ readonly created: boolean; readonly startsAfter: number }>;
  dropCursor(cursor: { peer: string; groupId: string }): Promise<void>;
  /** First sequence the log still holds: a cursor behind it has a gap that only a snapshot mends. */
  firstSequence(): Promise<number>;
  /** Last own sequence of the group. */
  lastSequence(groupId: string): Promise<number>;
}

/** The importer's cursor: the header of the last message on `FEED.*.*.in.<peer>`. */
export interface ImportedCursor {
  readonly linkEpoch: string;
  readonly linkSeq: number;
  /** Chain hash of that batch, hex. */
  readonly hash: string;
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
  readonly appenders: Readonly<Record<string, number>>;
  readonly sentAtMs: number;
  readonly expectedSequence: number;
}

/** `fenced`: another importer appended. `refused`: FEED does not permit the group (R2). */
export type ImportOutcome =
  | { readonly kind: 'stored'; readonly sequence: number }
  | { readonly kind: 'fenced' | 'refused' | 'full' | 'unknown' };

/** FEED as importers write it. */
export interface FeedSink {
  cursor(peer: string): Promise<ImportedCursor | undefined>;
  append(message: ImportAppend): Promise<ImportOutcome>;
  /** Sets a batch aside with its reason, deduplicated by link epoch and link_seq. */
  hold(batch: HeldBatch): Promise<void>;
  /** Held batches of a group (or all), oldest first; `release` removes one. */
  held(): AsyncIterable<HeldBatch & { release(): Promise<void> }>;
  /** Tells the region's service how far a peer is known (core message, not stored). */
  progress(progress: { peer: string; knownAsOfMs: number; throughSequence: number }): void;
}

/** Why a batch was set aside. */
export type HeldReason = 'unknown-version' | 'future-event-time' | 'poison';

/** A batch set aside. */
export interface HeldBatch {
  readonly peer: string;
  readonly linkEpoch: string;
  readonly linkSeq: number;
  readonly reason: HeldReason;
  /** Envelope as JSON and body, as received. */
  readonly envelope: string;
  readonly body: Uint8Array;
}
