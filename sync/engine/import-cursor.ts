import type { FeedSink, ImportAppend, ImportedCursor, OpenSnapshot } from '../ports/feed.ts';
import type { ChainPosition } from './link-chain.ts';

/** The local log did not take an import: the session begins anew from the stored cursor. */
class ImportInterrupted extends Error {
  readonly outcome: 'fenced' | 'full' | 'unknown';

  constructor(outcome: 'fenced' | 'full' | 'unknown') {
    super(`appending an import to FEED ended as ${outcome}`);
    this.name = 'ImportInterrupted';
    this.outcome = outcome;
  }
}

/** Where an importer stands: in the chain (in memory, possibly ahead) and in the local FEED (stored). */
export class ImportCursorKeeper {
  readonly #peer: string;
  readonly #sink: FeedSink;
  #stored: ImportedCursor | undefined;
  #position: ChainPosition | undefined;

  constructor(peer: string, sink: FeedSink) {
    this.#peer = peer;
    this.#sink = sink;
  }

  /** Chain position; undefined before the first batch ever. */
  get position(): ChainPosition | undefined {
    return this.#position;
  }

  /** Local FEED sequence of the last stored message from the peer. */
  get sequence(): number {
    return this.#stored?.sequence ?? 0;
  }

  /** Snapshots that were open when the cursor was stored. */
  get open(): readonly OpenSnapshot[] {
    return this.#stored?.open ?? [];
  }

  /** True where a restart would know that this batch was accepted. */
  isStored(batch: { readonly linkEpoch: string; readonly linkSeq: number }): boolean {
    if (this.#stored === undefined) return false;
    if (this.#stored.retired.includes(batch.linkEpoch)) return true;
    return batch.linkEpoch === this.#stored.linkEpoch && batch.linkSeq <= this.#stored.linkSeq;
  }

  /** Takes the stored cursor as the truth. */
  async read(): Promise<void> {
    this.#stored = await this.#sink.cursor(this.#peer);
    this.#position = this.#stored;
  }

  /** Moves on in memory only: for progress, which is acknowledged when a later cursor is stored. */
  advance(position: ChainPosition): void {
    this.#position = position;
  }

  /** Stores the cursor with its rows; true where the broker refused the group, so that only the cursor was stored (R2). */
  async store(
    cursor: Omit<ImportedCursor, 'sequence'>,
    message: Omit<ImportAppend, 'peer' | 'cursor' | 'expectedSequence'>,
  ): Promise<boolean> {
    const full: ImportAppend = { ...message, peer: this.#peer, cursor, expectedSequence: this.sequence };
    const outcome = await this.#sink.append(full);
    if (outcome.kind === 'refused' && full.rows !== undefined) {
      const { rows: _, ...rest } = message;
      // Without its rows the message covers nothing.
      await this.store(cursor, { ...rest, appenders: {}, watermarks: [] });
      return true;
    }
    if (outcome.kind === 'refused') throw new ImportInterrupted('unknown');
    if (outcome.kind !== 'stored') throw new ImportInterrupted(outcome.kind);
    this.#stored = { ...cursor, sequence: outcome.sequence };
    this.#position = this.#stored;
    return false;
  }
}
