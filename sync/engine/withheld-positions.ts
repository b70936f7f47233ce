import type { LinkEnvelope } from '@featuremesh/contracts/link-envelope';
import type { Position } from '@featuremesh/domain/position';

/**
 * Positions that batches reached while earlier rows of their group were missing or set aside here. They may not be claimed until
 * those rows have come (V6), and are claimed then, so that a reader need not wait for the group's next write. In memory: after a
 * restart the next write claims them.
 */
export class WithheldPositions {
  readonly #positions = new Map<string, Position>();

  /** Keeps what a batch covers, the greatest per appender. */
  note(envelope: Pick<LinkEnvelope, 'origin' | 'feedEpoch' | 'groupId' | 'appenders'>): void {
    const { origin, feedEpoch, groupId } = envelope;
    for (const [slot, [, sequence]] of Object.entries(envelope.appenders)) {
      const key = `${origin} ${feedEpoch} ${groupId} ${slot}`;
      const known = this.#positions.get(key);
      if (known !== undefined && known.sequence >= sequence) continue;
      this.#positions.set(key, { origin, feedEpoch, groupId, appender: Number(slot), sequence });
    }
  }

  /** Gives up, once, what may be claimed now. */
  take(isComplete: (groupId: string) => boolean): readonly Position[] {
    const taken: Position[] = [];
    for (const [key, position] of this.#positions) {
      if (!isComplete(position.groupId)) continue;
      taken.push(position);
      this.#positions.delete(key);
    }
    return taken;
  }

  get size(): number {
    return this.#positions.size;
  }

  clear(): void {
    this.#positions.clear();
  }
}
