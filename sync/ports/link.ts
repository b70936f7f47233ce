import type { ControlMessage } from '@featuremesh/contracts/control-message';
import type { LinkMessage } from '@featuremesh/contracts/link-batch-codec';

/** How publishing to OUT ended. `fenced`: another exporter wrote (S10). `refused`: the broker does not permit the subject (R2). */
export type OutOutcome = 'stored' | 'fenced' | 'refused' | 'unknown';

/** What an exporter reads back from OUT to go on where it stopped. */
export interface OutHead {
  readonly linkEpoch: string;
  /** Last link_seq ever stored, also where that message is gone; 0 on a new stream. */
  readonly lastSeq: number;
  /** The last stored message; undefined on a new stream, or where a purge removed it. */
  readonly last: LinkMessage | undefined;
}

/** How far a group was shipped on a link: the origin's log and the sequence in it. */
export interface ShipCursor {
  readonly feedEpoch: string;
  readonly sequence: number;
}

/** The exporting end of one link: OUT and CTL in the link's account, owned by the exporting region. Calls reject where the broker does not answer. */
export interface LinkOut {
  head(): Promise<OutHead>;
  /** Batches stored and not yet acknowledged by the peer. */
  pending(): Promise<number>;
  /** Appends; the broker refuses where OUT's last sequence is not `linkSeq − 1`. A trace context travels beside the message, not in it. */
  publish(message: LinkMessage, traceparent?: string): Promise<OutOutcome>;
  /** Removes what is queued of a group; the first and last link_seq removed, undefined where there was nothing. */
  purgeGroup(groupId: string): Promise<{ readonly from: number; readonly through: number } | undefined>;
  /** Names a new link epoch in the stream's own metadata. */
  setLinkEpoch(linkEpoch: string): Promise<void>;
  /** Removes what the peer has acknowledged, except the last message, whose hash a restart needs. */
  trim(): Promise<void>;
  /** Stored ship cursors by group. */
  cursors(): Promise<ReadonlyMap<string, ShipCursor>>;
  saveCursor(groupId: string, cursor: ShipCursor): Promise<void>;
  publishControl(message: ControlMessage): Promise<void>;
  /** Removes the catalogue messages that wait for the peer: what they tell may no longer be told, or is told anew. */
  dropCatalogue(): Promise<void>;
  /** Control messages that the peer has not acknowledged. */
  controlPending(): Promise<number>;
}

/** One received message with the means to acknowledge it. */
export interface Received<T> {
  /** Sequence in the exporter's stream. */
  readonly seq: number;
  /** Undefined where the bytes are no message of this version. */
  readonly message: T | undefined;
  readonly bytes: Uint8Array;
  /** What the peer sent as trace context, where tracing is on; nothing but telemetry looks at it. */
  readonly traceparent?: string;
  ack(): void;
  /** Asks for it again after `delayMs`. */
  retry(delayMs: number): void;
}

/** The importing end of one link: two pre-created durables on the peer's server, nothing else (R3). */
export interface LinkIn {
  /** The next control message, in order, one in flight; undefined after `waitMs` without one. */
  nextControl(waitMs: number, signal: AbortSignal): Promise<Received<ControlMessage> | undefined>;
  /** The next batch; order is kept except across re-delivery; undefined after `waitMs` without one. */
  nextBatch(waitMs: number, signal: AbortSignal): Promise<Received<LinkMessage> | undefined>;
  /** Whether the peer's broker answered lately. */
  connected(): boolean;
  /** Lets go of the peer's durables; batches that were fetched and not acknowledged come again. */
  close(): Promise<void>;
}
