import type { LinkEnvelope } from '@featuremesh/contracts/link-envelope';
import type { ImportedCursor } from '../ports/feed.ts';
import { MAX_RETIRED_EPOCHS } from './limits.ts';

/** Where an importer stands in a link's chain. */
export type ChainPosition = Pick<ImportedCursor, 'linkEpoch' | 'linkSeq' | 'hash' | 'retired'>;

/** Why a chain does not continue: batches are missing, the hash differs, or the stream is another one. */
export type GapReason = 'gap' | 'broken-chain' | 'link-epoch';

/**
 * What a batch is to an importer. `next`: continues the chain. `duplicate`: was accepted before. `ahead`: one before it is missing
 * and may still come. `gap`: it can be accepted only as the start after a gap (S6).
 */
export type ChainVerdict =
  | { readonly kind: 'next' | 'duplicate' | 'ahead' }
  | { readonly kind: 'gap'; readonly reason: GapReason };

/** Judges a batch against the chain. Without a position only the first message of a stream continues it. Pure. */
export function judgeBatch(position: ChainPosition | undefined, envelope: LinkEnvelope): ChainVerdict {
  if (position === undefined) {
    if (envelope.kind === 'epoch' && envelope.linkSeq === 1) return { kind: 'next' };
    return { kind: 'gap', reason: 'gap' };
  }
  if (position.retired.includes(envelope.linkEpoch)) return { kind: 'duplicate' };
  if (envelope.linkEpoch !== position.linkEpoch) return judgeEpoch(position, envelope);
  if (envelope.linkSeq <= position.linkSeq) return { kind: 'duplicate' };
  if (envelope.linkSeq > position.linkSeq + 1) return { kind: 'ahead' };
  return envelope.previousHash === position.hash ? { kind: 'next' } : { kind: 'gap', reason: 'broken-chain' };
}

/** A new epoch continues where its first message names this position, or only purged batches lie between. */
function judgeEpoch(position: ChainPosition, envelope: LinkEnvelope): ChainVerdict {
  const { epoch } = envelope;
  if (epoch === undefined) return { kind: 'gap', reason: 'link-epoch' };
  const head = epoch.previousHead;
  if (epoch.previousEpoch !== position.linkEpoch || head === null)
    return { kind: 'gap', reason: 'link-epoch' };
  if (head.linkSeq === position.linkSeq) {
    return head.hash === position.hash ? { kind: 'next' } : { kind: 'gap', reason: 'broken-chain' };
  }
  if (head.linkSeq < position.linkSeq) return { kind: 'duplicate' };
  return missingWerePurged(position, envelope) ? { kind: 'next' } : { kind: 'ahead' };
}

/** True where every batch between the position and the new epoch lies in a purged range. */
export function missingWerePurged(position: ChainPosition, envelope: LinkEnvelope): boolean {
  const head = envelope.epoch?.previousHead ?? null;
  if (head === null) return false;
  for (let seq = position.linkSeq + 1; seq <= head.linkSeq; seq++) {
    if (envelope.epoch?.purged.some(range => range.from <= seq && seq <= range.through) !== true)
      return false;
  }
  return true;
}

/** The position after accepting a batch. */
export function positionAfter(
  position: ChainPosition | undefined,
  accepted: Omit<ChainPosition, 'retired'>,
): ChainPosition {
  const retired = position?.retired ?? [];
  if (position === undefined || position.linkEpoch === accepted.linkEpoch) return { ...accepted, retired };
  return { ...accepted, retired: [position.linkEpoch, ...retired].slice(0, MAX_RETIRED_EPOCHS) };
}
