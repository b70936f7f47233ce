import { decodeLinkMessage } from '@featuremesh/contracts/link-batch-codec';
import type { LinkEnvelope } from '@featuremesh/contracts/link-envelope';
import { type ChunkRow, encodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import type { ImportAppend } from '../ports/feed.ts';
import { type ImporterParts, judgeRows } from './importer.ts';
import { MAX_HELD_PER_PASS } from './limits.ts';

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
 * Looks at the batches set aside and appends those that may be applied by now: their version became known, their event times came
 * into bound. What policy refuses by now is removed. Poison stays for a person and for the snapshot that replaces it.
 */
export async function releaseHeld(
  parts: ImporterParts,
  { store, released, refused }: HeldOutcomes,
): Promise<{ remaining: number; releasedRows: number }> {
  const entries = await parts.sink.held(parts.peer, MAX_HELD_PER_PASS);
  let remaining = 0;
  let releasedRows = 0;
  for (const entry of entries) {
    if (entry.reason === 'poison') continue;
    const decoded = decodeLinkMessage(entry.bytes);
    if (!decoded.ok) continue;
    const { envelope } = decoded.value;
    const verdict = judgeRows(decoded.value, {
      peer: parts.peer,
      policy: parts.policy(),
      nowMs: parts.clock.nowMs(),
    });
    if (verdict.kind === 'hold') {
      remaining++;
      continue;
    }
    if (verdict.kind === 'append') {
      released(envelope);
      if (verdict.rows.length > 0) await store(rowsAlone(envelope, verdict.rows));
      releasedRows += verdict.rows.length;
    }
    if (verdict.kind === 'refuse') refused({ groupId: envelope.groupId, version: envelope.version });
    await entry.release();
  }
  return { remaining, releasedRows };
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
