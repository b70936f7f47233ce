import type { Position } from '@featuremesh/domain/position';

/** A chunk of this region's own rows, as the exporter reads it. */
export interface FeedChunk {
  readonly sequence: number;
  readonly groupId: string;
  readonly version: number;
  readonly appender: number;
  /** `domain/feed-chunk` bytes. */
  readonly body: Uint8Array;
  /** W3C trace context of the message, where it has one and tracing is on. */
  readonly traceparent?: string;
}

/** One group's own chunks in log order, from a cursor on; a bounded number is fetched ahead. */
export interface FeedTail {
  /** The next chunk without taking it; undefined where none has arrived. */
  peek(): FeedChunk | undefined;
  take(): FeedChunk | undefined;
  /** True where the log holds no own chunk of the group, as of the call, that was not taken. */
  drained(): Promise<boolean>;
  close(): Promise<void>;
}

/** FEED as exporters read it: a tail per (peer, group), so that groups do not wait for each other (A5). */
export interface FeedSource {
  readonly feedEpoch: string;
  /** Own chunks of the group above `after`. */
  tail(groupId: string, after: number): Promise<FeedTail>;
  /** First sequence that the log still holds, last + 1 where it holds nothing, and the last one ever stored; 1 and 0 on a new log. */
  bounds(): Promise<{ readonly first: number; readonly last: number }>;
  /** Resolves when a chunk arrives in any tail of this source, or after `waitMs`, or when the signal aborts. */
  arrival(waitMs: number, signal: AbortSignal): Promise<void>;
}

/** Size of the log; `limitBytes` is Infinity without a limit. */
export interface FeedUsage {
  readonly bytes: number;
  readonly limitBytes: number;
  readonly messages: number;
}

/** A snapshot that an importer asked for and has not received in full. */
export interface OpenSnapshot {
  readonly requestId: string;
  readonly groups: readonly { readonly groupId: string; readonly version: number }[];
}

/** The importer's cursor: what the header of the last message on `FEED.*.*.in.<peer>` says. */
export interface ImportedCursor {
  readonly linkEpoch: string;
  readonly linkSeq: number;
  /** Chain hash of that batch, hex. */
  readonly hash: string;
  readonly open: readonly OpenSnapshot[];
  /** Link epochs before this one, newest first, a few: what is delivered again of them was accepted or counted as a gap. */
  readonly retired: readonly string[];
  /** Local FEED sequence of that message: what the next append expects; 0 before the first. */
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
  /** Appender slot → last origin FEED sequence that the rows cover. */
  readonly appenders: Readonly<Record<string, number>>;
  /** Positions that are reached with this message: the vector of a finished snapshot. */
  readonly watermarks: readonly Position[];
  readonly sentAtMs: number;
  /** Last local FEED sequence on `FEED.*.*.in.<peer>`; 0 where nothing was imported from the peer yet. */
  readonly expectedSequence: number;
  /** W3C trace context that the message carries on. */
  readonly traceparent?: string;
}

/** `fenced`: another importer appended. `refused`: FEED does not permit the group (R2). */
export type ImportOutcome =
  | { readonly kind: 'stored'; readonly sequence: number }
  | { readonly kind: 'fenced' | 'refused' | 'full' | 'unknown' };

/** Why a batch was set aside. */
export type HeldReason = 'unknown-version' | 'future-event-time' | 'poison';

/** A batch set aside, as received. */
export interface HeldBatch {
  readonly peer: string;
  readonly linkEpoch: string;
  readonly linkSeq: number;
  readonly reason: HeldReason;
  readonly bytes: Uint8Array;
}

/** A held batch with its place in HELD, greater for what was set aside later, and the means to remove it. */
export interface HeldEntry extends HeldBatch {
  readonly position: number;
  release(): Promise<void>;
}

/** FEED and HELD as importers write them. Calls that only read reject where the broker does not answer. */
export interface FeedSink {
  /** The cursor as of the last stored message; undefined where nothing was ever imported from the peer. */
  cursor(peer: string): Promise<ImportedCursor | undefined>;
  append(message: ImportAppend): Promise<ImportOutcome>;
  /** Sets a batch aside, deduplicated by peer, link epoch and link_seq. Resolves when it is stored. */
  hold(batch: HeldBatch): Promise<void>;
  /** Held batches of a peer behind a place, oldest first, at most `limit`; none only where there are no more. */
  held(peer: string, page: { after: number; limit: number }): Promise<readonly HeldEntry[]>;
  /** Tells the region's service how far a peer is known (not stored). */
  progress(progress: { peer: string; knownAsOfMs: number; throughSequence: number }): void;
}
