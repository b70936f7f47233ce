import type { Position } from '@featuremesh/domain/position';

/** What a service process appends: one chunk of one group version, encoded by `domain/feed-chunk`. */
export interface ChunkAppend {
  readonly groupId: string;
  readonly version: number;
  readonly slot: number;
  readonly body: Uint8Array;
  /** Idempotency id of the chunk, where the caller gave a key; also the broker's message id for races. */
  readonly idempotencyId?: string;
  /** Hash of the caller's body, remembered with the id. */
  readonly bodyHash?: string;
  /** What the write answered, so that a replay can rebuild the idempotency record. */
  readonly answer?: string;
  /** W3C trace context of a sampled write; kept beside the rows, and nothing depends on it. */
  readonly traceparent?: string;
}

/**
 * How an append ended. `refused`: it is not in the log, because the broker does not list the group, the log is full, or cannot be
 * reached. `unknown`: no answer came, so the chunk may or may not be in the log; catch up before going on.
 */
export type AppendOutcome =
  | { readonly kind: 'stored'; readonly sequence: number }
  | { readonly kind: 'duplicate'; readonly sequence: number }
  | { readonly kind: 'refused'; readonly reason: 'group' | 'full' | 'unavailable' }
  | { readonly kind: 'unknown' };

/** Which messages of the log to read. */
export type LogFilter =
  | { readonly kind: 'own'; readonly slot: number }
  | { readonly kind: 'all-own' }
  | { readonly kind: 'imports' };

/** Names what an imported message covers, as the importer wrote it beside the rows. */
export interface ImportCursor {
  readonly peer: string;
  readonly linkEpoch: string;
  readonly linkSeq: number;
  readonly origin: string;
  readonly feedEpoch: string;
  /** Appender slot → last origin FEED sequence that the batch covers. */
  readonly appenders: Readonly<Record<string, number>>;
  /** Positions that are reached with this message: the vector of a finished snapshot. */
  readonly watermarks?: readonly Position[];
  /** Exporter's clock when the batch left. */
  readonly sentAtMs: number;
}

/** One message of the log. */
export interface LogMessage {
  readonly sequence: number;
  readonly groupId: string;
  readonly version: number;
  readonly source:
    | { readonly kind: 'own'; readonly slot: number }
    | { readonly kind: 'in'; readonly cursor: ImportCursor };
  readonly body: Uint8Array;
  readonly appendedAtMs: number;
  readonly idempotencyId?: string;
  readonly bodyHash?: string;
  readonly answer?: string;
  /** As appended, or as the importer found it; may be anything that a peer sent. */
  readonly traceparent?: string;
}

/**
 * The region's FEED as the region service uses it. An append that resolves as `stored` is on disk, synced (S5).
 * Messages of one filter are read in log order; a read never skips a message that the log still holds.
 */
export interface ChangeLog {
  /** Identity of the log; another one after the stream was lost and made anew. */
  readonly feedEpoch: string;
  append(chunk: ChunkAppend): Promise<AppendOutcome>;
  /** The message at a sequence; undefined where the log does not hold it. */
  messageAt(sequence: number): Promise<LogMessage | undefined>;
  /** Last sequence that matches; 0 where none does. */
  lastSequence(filter: LogFilter): Promise<number>;
  /** Sequence of the oldest message that the log still holds, last + 1 where it holds none: 1 until it has forgotten one. */
  firstSequence(): Promise<number>;
  /** Messages with a sequence above `after`, in order, those already there only; ends when caught up. */
  readFrom(after: number, filter: LogFilter): AsyncIterable<LogMessage>;
  /** Messages above `after` as they come, until the signal aborts; reconnects by itself. */
  follow(after: number, filter: LogFilter, signal: AbortSignal): AsyncIterable<LogMessage>;
  /** Progress that the sync agent reports per peer; lag is derived from it. Unsubscribes when the signal aborts. */
  onProgress(listener: (progress: LinkProgress) => void, signal: AbortSignal): void;
}

/** "All that `peer` accepted by `knownAsOfMs` (its clock) is in the local FEED at or before `throughSequence`." */
export interface LinkProgress {
  readonly peer: string;
  readonly knownAsOfMs: number;
  readonly throughSequence: number;
}
