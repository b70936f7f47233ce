import type { LinkEnvelope } from '@featuremesh/contracts/link-envelope';
import type { ControlMessage } from '@featuremesh/contracts/control-message';

/** A batch as it stands on OUT: the envelope in clear, the rows encoded and compressed. */
export interface LinkBatch {
  readonly envelope: LinkEnvelope;
  /** Column-wise encoded, zstd-compressed rows (`contracts/link-batch-codec`); empty for progress. */
  readonly body: Uint8Array;
}

/** How publishing to OUT ended. `fenced`: another exporter wrote (S10). `refused`: the broker does not permit the subject (R2). */
export type OutOutcome = 'stored' | 'fenced' | 'refused' | 'unknown';

/** What an exporter reads back from OUT to go on where it stopped. */
export interface OutHead {
  /** Last link_seq ever stored, also where it was acknowledged and is gone; 0 on a new stream. */
  readonly lastSeq: number;
  /** Batches stored and not yet acknowledged by the peer. */
  readonly pending: number;
}

/** The exporting end of one link: OUT and CTL in the link's account, owned by the exporting region. */
export interface LinkOut {
  head(): Promise<OutHead>;
  /** Appends with `link_seq = expectedLastSeq + 1`. */
  publish(batch: LinkBatch, expectedLastSeq: number): Promise<OutOutcome>;
  /** Removes what is queued of a group. Returns the link_seqs removed. */
  purgeGroup(groupId: string): Promise<{ readonly from: number; readonly through: number } | undefined>;
  publishControl(message: ControlMessage): Promise<void>;
}

/** One received message with the means to acknowledge it. */
export interface Received<T> {
  readonly seq: number;
  readonly message: T;
  ack(): Promise<void>;
  /** Asks for it again, after `delayMs`. */
  retry(delayMs: number): void;
}

/** The importing end of one link: two pre-created durables on the peer's server, nothing else (R3). */
export interface LinkIn {
  /** Control messages in order, one in flight. */
  control(signal: AbortSignal): AsyncIterable<Received<ControlMessage>>;
  /** Batches; order is kept except across re-delivery. A batch that does not decode arrives as `undefined`. */
  batches(signal: AbortSignal): AsyncIterable<Received<LinkBatch | undefined>>;
  /** Whether the peer answered lately. */
  connected(): boolean;
}
