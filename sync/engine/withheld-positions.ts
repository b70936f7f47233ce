import type { LinkEnvelope } from '@featuremesh/contracts/link-envelope';
import type { Position } from '@featuremesh/domain/position';

/**
 * Positions that batches reached while earlier rows of their group were missing or set aside here. They may not be claimed until
 * those rows have come (V6), and are claimed then, so that a reader need not wait for the group's next write. In memory: after a
 * restart the next write claims them.
 */
export class WithheldPositions {
  readonly #positions = new Map<string, Position>();

  /** Keeps what a batch covers, or a finished snapshot says to be reached. */
  note(envelope: Pick<LinkEnvelope, 'origin' | 'feedEpoch' | 'groupId' | 'appenders' | 'snapshot'>): void {
    const { origin, feedEpoch, groupId } = envelope;
    const covered = Object.entries(envelope.appenders).map(([slot, [, sequence]]) => ({
      origin,
      feedEpoch,
      groupId,
      appender: Number(slot),
      sequence,
    }));
    this.#keep([...covered, ...(envelope.snapshot?.watermarks ?? [])]);
  }

  /** Keeps positions, the greatest per appender. */
  #keep(positions: readonly Position[]): void {
    for (const position of positions) {
      const key = `${position.origin} ${position.feedEpoch} ${position.groupId} ${position.appender}`;
      const known = this.#positions.get(key);
      if (known === undefined || known.sequence < position.sequence) this.#positions.set(key, position);
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
