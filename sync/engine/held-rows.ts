import { decodeLinkMessage } from '@featuremesh/contracts/link-batch-codec';
import type { LinkEnvelope } from '@featuremesh/contracts/link-envelope';
import { type ChunkRow, encodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import type { HeldEntry, ImportAppend } from '../ports/feed.ts';
import { type ImporterParts, judgeRows } from './importer.ts';
import { HELD_INTERVAL_MS, MAX_HELD_PER_PASS } from './limits.ts';

/** What the look at held batches works with. */
export type HeldParts = Pick<ImporterParts, 'peer' | 'policy' | 'clock'> & {
  readonly sink: Pick<ImporterParts['sink'], 'held'>;
};

/** What becomes of held batches. */
export interface HeldOutcomes {
  /** Stores what is released with the importer's present cursor. */
  readonly store: (message: Omit<ImportAppend, 'peer' | 'cursor' | 'expectedSequence'>) => Promise<void>;
  /** Rows of this batch are applied by now; others of its group may still be held, so that it claims nothing by itself (V6). */
  readonly released: (envelope: LinkEnvelope) => void;
  /** Policy refuses the rows by now: they are removed, and missing where it permits them later. */
  readonly refused: (group: { groupId: string; version: number }) => void;
}

/**
 * The batches of one peer that were set aside, and when to look at them again. A round reads HELD from its oldest entry to its end, a
 * page at a time: what stays, poison above all, hides nothing behind it, and none counts as gone before the end was seen.
 */
export class HeldBatches {
  readonly #parts: HeldParts;
  #count = 0;
  /** Entries that stay, of those that this round has seen. */
  #staying = 0;
  #after = 0;
  #pausedAtMs = 0;

  constructor(parts: HeldParts) {
    this.#parts = parts;
  }

  /** Batches set aside, those that only a person can release left out; never 0 before a round has seen that none is left. */
  get count(): number {
    return this.#count;
  }

  /** Begins anew with what the broker has kept. */
  async restore(): Promise<void> {
    this.#after = 0;
    this.#staying = 0;
    this.#count = (await this.#parts.sink.held(this.#parts.peer, { after: 0, limit: 1 })).length;
  }

  /** A batch was set aside. */
  add(): void {
    this.#count++;
  }

  /**
   * Looks at the next page and appends what may be applied by now: its version became known, its event times came into bound. What
   * policy refuses by now is removed. Poison stays for a person and for the snapshot that replaces it. Gives the rows released.
   */
  async look(outcomes: HeldOutcomes): Promise<number> {
    const nowMs = this.#parts.clock.nowMs();
    if (this.#count === 0 || Math.abs(nowMs - this.#pausedAtMs) < HELD_INTERVAL_MS) return 0;
    const page = { after: this.#after, limit: MAX_HELD_PER_PASS };
    const entries = await this.#parts.sink.held(this.#parts.peer, page);
    if (entries.length === 0) {
      this.#count = this.#staying;
      this.#after = 0;
      this.#staying = 0;
      this.#pausedAtMs = nowMs;
      return 0;
    }
    let removed = 0;
    let releasedRows = 0;
    for (const entry of entries) {
      const { stays, rows } = await this.#judge(entry, outcomes);
      this.#after = entry.position;
      if (!stays) removed++;
      else if (entry.reason !== 'poison') this.#staying++;
      releasedRows += rows;
    }
    this.#count = Math.max(1, this.#count - removed);
    // Where a page moved, the next one probably does; where all of it waits, so do we.
    if (removed === 0) this.#pausedAtMs = nowMs;
    return releasedRows;
  }

  async #judge(entry: HeldEntry, outcomes: HeldOutcomes): Promise<{ stays: boolean; rows: number }> {
    const staying = { stays: true, rows: 0 };
    if (entry.reason === 'poison') return staying;
    const decoded = decodeLinkMessage(entry.bytes);
    if (!decoded.ok) return staying;
    const { peer, policy, clock } = this.#parts;
    const { envelope } = decoded.value;
    const verdict = judgeRows(decoded.value, { peer, policy: policy(), nowMs: clock.nowMs() });
    if (verdict.kind === 'hold') return staying;
    const rows = verdict.kind === 'append' ? verdict.rows : [];
    if (verdict.kind === 'append') outcomes.released(envelope);
    else outcomes.refused({ groupId: envelope.groupId, version: envelope.version });
    if (rows.length > 0) await outcomes.store(rowsAlone(envelope, rows));
    await entry.release();
    return { stays: false, rows: rows.length };
  }
}

function rowsAlone(envelope: LinkEnvelope, rows: readonly ChunkRow[]): Parameters<HeldOutcomes['store']>[0] {
  const { groupId, version, origin, feedEpoch, sentAtMs } = envelope;
  return {
    rows: { groupId, version, body: encodeFeedChunk(rows) },
    origin,
    feedEpoch,
    appenders: {},
    watermarks: [],
    sentAtMs,
  };
}
