import type { LinkMessage } from '@featuremesh/contracts/link-batch-codec';
import type { LinkEnvelope } from '@featuremesh/contracts/link-envelope';
import type { Received } from '../ports/link.ts';
import { MAX_AHEAD_BATCHES } from './limits.ts';
import { type ChainPosition, missingWerePurged } from './link-chain.ts';

/** A batch that came before one that is missing. */
export interface AheadBatch {
  readonly received: Received<LinkMessage>;
  readonly message: LinkMessage;
  readonly sinceMs: number;
}

/** Batches kept aside, by sequence, while one before them may still come: re-delivery does not keep order (bounded). */
export class ReorderBuffer {
  readonly #batches = new Map<number, AheadBatch>();

  get size(): number {
    return this.#batches.size;
  }

  clear(): void {
    this.#batches.clear();
  }

  /** False where the buffer is full; a batch that is kept already is replaced by its re-delivery and keeps its time. */
  add(received: Received<LinkMessage>, nowMs: number): boolean {
    if (received.message === undefined) return false;
    const known = this.#batches.get(received.seq);
    if (known === undefined && this.#batches.size >= MAX_AHEAD_BATCHES) return false;
    this.#batches.set(received.seq, {
      received,
      message: received.message,
      sinceMs: known?.sinceMs ?? nowMs,
    });
    return true;
  }

  /** The batch with the smallest sequence; it stays. */
  first(): AheadBatch | undefined {
    const seq = this.#firstSeq();
    return seq === undefined ? undefined : this.#batches.get(seq);
  }

  /** Removes the batch with the smallest sequence. */
  take(): void {
    const seq = this.#firstSeq();
    if (seq !== undefined) this.#batches.delete(seq);
  }

  /** True where a new epoch in the buffer names everything that is missing before `envelope` as purged: then it is no gap. */
  purgeExplains(position: ChainPosition | undefined, envelope: LinkEnvelope): boolean {
    if (position === undefined || envelope.linkEpoch !== position.linkEpoch) return false;
    for (const { message } of this.#batches.values()) {
      const { epoch } = message.envelope;
      if (epoch === undefined || epoch.previousEpoch !== position.linkEpoch) continue;
      const upTo = {
        ...message.envelope,
        epoch: { ...epoch, previousHead: { linkSeq: envelope.linkSeq - 1, hash: '' } },
      };
      return missingWerePurged(position, upTo);
    }
    return false;
  }

  #firstSeq(): number | undefined {
    let least: number | undefined;
    for (const seq of this.#batches.keys()) if (least === undefined || seq < least) least = seq;
    return least;
  }
}
