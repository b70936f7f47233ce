/** A range of link_seqs, both ends included. */
export interface PurgedRange {
  readonly from: number;
  readonly through: number;
}

/**
 * What enforcement removed from the OUT of one link before its exporter asked: the exporter tells the peer, so that what is
 * missing is no gap. Kept in memory; after a restart the peer asks for a snapshot instead.
 */
export class PurgeLedger {
  readonly #ranges = new Map<string, PurgedRange>();

  note(groupId: string, range: PurgedRange): void {
    this.#ranges.set(groupId, merge(this.#ranges.get(groupId), range));
  }

  /** What was noted of the group together with `removed`, once; undefined where there is neither. */
  take(groupId: string, removed: PurgedRange | undefined): PurgedRange | undefined {
    const noted = this.#ranges.get(groupId);
    this.#ranges.delete(groupId);
    if (removed === undefined) return noted;
    return merge(noted, removed);
  }
}

function merge(known: PurgedRange | undefined, more: PurgedRange): PurgedRange {
  if (known === undefined) return more;
  return { from: Math.min(known.from, more.from), through: Math.max(known.through, more.through) };
}
