import type { ControlMessage } from '@featuremesh/contracts/control-message';
import type { LinkEnvelope } from '@featuremesh/contracts/link-envelope';

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
  /** Last link_seq ever stored, also where it is gone; 0 on a new stream. */
  readonly lastSeq: number;
  /** Link epoch and chain hash of the batch at `lastSeq`; undefined where OUT no longer holds it. */
  readonly last?: { readonly linkEpoch: string; readonly hash: string };
  /** Batches stored and not yet acknowledged by the peer. */
  readonly pending: number;
}

/** The exporting end of one link: OUT and CTL in the link's account, owned by the exporting region. Reads reject where the broker does not answer. */
export interface LinkOut {
  head(): Promise<OutHead>;
  /** Appends with `link_seq = expectedLastSeq + 1`. */
  publish(batch: LinkBatch, expectedLastSeq: number): Promise<OutOutcome>;
  /** Removes acknowledged batches but the newest, whose hash the next exporter needs. */
  trim(): Promise<void>;
  /** Removes what is queued of a group. Returns the link_seqs removed, ascending. */
  purgeGroup(groupId: string): Promise<readonly number[]>;
  /** Appends to CTL. Rejects where it was not stored for certain; every message may be sent again. */
  publishControl(message: ControlMessage): Promise<void>;
  /** Control messages that the peer has not acknowledged. */
  controlBacklog(): Promise<number>;
  /** Empties CTL: what it held is told again in full. */
  clearControl(): Promise<void>;
}

/** One received message with the means to acknowledge it. */
export interface Received<T> {
  /** Its sequence in OUT or CTL. */
  readonly seq: number;
  readonly message: T;
  ack(): Promise<void>;
  /** Asks for it again, after `delayMs`. */
  retry(delayMs: number): void;
}

/** The importing end of one link: two pre-created durables on the peer's server, nothing else (R3). Iterations go on across lost connections. */
export interface LinkIn {
  /** Control messages in order, one in flight; undefined for one that does not decode. */
  control(signal: AbortSignal): AsyncIterable<Received<ControlMessage | undefined>>;
  /** Batches; order is kept except across re-delivery. A batch that does not decode arrives as `undefined`. */
  batches(signal: AbortSignal): AsyncIterable<Received<LinkBatch | undefined>>;
  /** Control messages not yet acknowledged here, or undefined where the peer does not answer. */
  controlPending(): Promise<number | undefined>;
  /** Batches not yet acknowledged here, or undefined where the peer does not answer. */
  batchesPending(): Promise<number | undefined>;
}
