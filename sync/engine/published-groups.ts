import { MAX_REMEMBERED_BATCHES } from './limits.ts';

/** A range of link_seqs of one group, both ends included. */
export interface GroupRange {
  readonly groupId: string;
  readonly from: number;
  readonly through: number;
}

/**
 * Which group each batch belonged to that this exporter put into OUT, newest ones only. A purge is told to the peer by what is known here:
 * batches of other groups stand between those of the purged one, and a peer that passed them over would lose them.
 */
export class PublishedGroups {
  readonly #groups = new Map<number, string>();

  /** Notes a stored batch; the oldest is forgotten at the bound. */
  note(linkSeq: number, groupId: string): void {
    this.#groups.set(linkSeq, groupId);
    if (this.#groups.size <= MAX_REMEMBERED_BATCHES) return;
    const oldest = this.#groups.keys().next();
    if (oldest.done !== true) this.#groups.delete(oldest.value);
  }

  /** The batches of the group within a range, as ranges without a stranger. What an earlier process published is not claimed. */
  within({ groupId, from, through }: GroupRange): readonly GroupRange[] {
    const ranges: GroupRange[] = [];
    for (let seq = from; seq <= through; seq++) {
      if (this.#groups.get(seq) !== groupId) continue;
      const last = ranges.at(-1);
      if (last?.through === seq - 1) ranges[ranges.length - 1] = { ...last, through: seq };
      else ranges.push({ groupId, from: seq, through: seq });
    }
    return ranges;
  }
}
