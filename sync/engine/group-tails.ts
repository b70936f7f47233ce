import type { Position } from '@featuremesh/domain/position';
import type { ExportedVersion } from '../policy-compiler/compile.ts';
import type { FeedChunk, FeedSource, FeedTail } from '../ports/feed.ts';
import type { LinkOut } from '../ports/link.ts';

interface Followed {
  readonly tail: FeedTail;
  /** Through where an earlier session shipped, and per appender what this one did. */
  readonly restored: number;
  readonly shippedBy: Map<number, number>;
  shippedThrough: number;
  savedThrough: number;
  /** Every chunk up to here was taken, or a snapshot of the group is due that holds it. */
  soundThrough: number;
}

/**
 * The tails of all groups that a link exports, in turn, with a stored cursor each. A cursor is saved after what it covers is in OUT,
 * so that a crash ships again rather than skips; shipping again changes nothing (S2).
 */
export class GroupTails {
  readonly #feed: FeedSource;
  readonly #out: LinkOut;
  readonly #followed = new Map<string, Followed>();
  readonly #rewound = new Set<string>();
  #overrun: { groupId: string; version: number }[] = [];
  #exports: readonly ExportedVersion[] = [];
  /** Last sequence of the log as of the last audit. */
  #logLast = 0;
  #turn = 0;

  constructor(feed: FeedSource, out: LinkOut) {
    this.#feed = feed;
    this.#out = out;
  }

  /** Follows exactly the groups of these versions from now on; returns the groups that are no longer exported. */
  async follow(exports: readonly ExportedVersion[]): Promise<readonly string[]> {
    this.#exports = exports;
    const wanted = new Set(exports.map(({ groupId }) => groupId));
    const left = [...this.#followed.keys()].filter(groupId => !wanted.has(groupId));
    for (const groupId of left) {
      await this.#followed.get(groupId)?.tail.close();
      this.#followed.delete(groupId);
      await this.#out.saveCursor(groupId, { feedEpoch: '', sequence: 0 });
    }
    for (const groupId of this.#rewound) {
      await this.#followed.get(groupId)?.tail.close();
      this.#followed.delete(groupId);
      this.#rewound.delete(groupId);
    }
    const fresh = [...wanted].filter(groupId => !this.#followed.has(groupId));
    if (fresh.length > 0) await this.#begin(fresh);
    return left;
  }

  async #begin(groups: readonly string[]): Promise<void> {
    const cursors = await this.#out.cursors();
    const { first: firstHeld } = await this.#feed.bounds();
    for (const groupId of groups) {
      const saved = cursors.get(groupId);
      const through = saved?.feedEpoch === this.#feed.feedEpoch ? saved.sequence : 0;
      const tail = await this.#feed.tail(groupId, through);
      this.#followed.set(groupId, {
        tail,
        restored: through,
        shippedBy: new Map(),
        shippedThrough: through,
        savedThrough: through,
        soundThrough: Math.max(through, firstHeld - 1),
      });
      if (firstHeld > through + 1) this.#overran(groupId);
    }
  }

  /** Group versions whose cursor lies behind what the log holds; each is named once. */
  overrun(): readonly { groupId: string; version: number }[] {
    const groups = this.#overrun;
    this.#overrun = [];
    return groups;
  }

  /** Has these groups shipped from the start of the log again; stored when it resolves, begun at the next `follow`. */
  async rewind(groups: readonly string[]): Promise<void> {
    for (const groupId of groups) {
      this.#rewound.add(groupId);
      await this.#out.saveCursor(groupId, { feedEpoch: '', sequence: 0 });
    }
  }

  /** The next group with something to ship, in turn, so that a busy group does not starve the others. */
  next(): FeedTail | undefined {
    const tails = [...this.#followed.values()];
    for (let step = 0; step < tails.length; step++) {
      this.#turn = (this.#turn + 1) % tails.length;
      const followed = tails[this.#turn];
      if (followed?.tail.peek() !== undefined) return followed.tail;
    }
    return undefined;
  }

  /** Notes that these chunks of the group, the next ones of its tail, are in OUT. */
  shipped(groupId: string, chunks: readonly FeedChunk[]): void {
    const followed = this.#followed.get(groupId);
    if (followed === undefined) return;
    for (const { appender, sequence } of chunks) {
      followed.shippedBy.set(appender, sequence);
      followed.shippedThrough = sequence;
    }
  }

  /**
   * Whether a store that has applied these own positions holds all that was shipped of the group. One that trails would give a
   * snapshot without rows that went out live and were lost on the way: nobody would send them again.
   */
  isApplied(groupId: string, own: readonly Pick<Position, 'appender' | 'sequence'>[]): boolean {
    const followed = this.#followed.get(groupId);
    if (followed === undefined) return true;
    const applied = new Map(own.map(({ appender, sequence }) => [appender, sequence]));
    const reached = [...followed.shippedBy].every(
      ([appender, sequence]) => (applied.get(appender) ?? 0) >= sequence,
    );
    return reached && Math.max(0, ...applied.values()) >= followed.restored;
  }

  /**
   * Looks whether the log forgot chunks that were not taken yet, which its tails cannot see, and notes such groups as overrun. True where
   * none is, and no followed group had an own chunk that was not taken, as of the call. Cursors may be stored behind it.
   */
  async audit(): Promise<boolean> {
    const earlierLast = this.#logLast;
    const atEnd = new Set<string>();
    for (const [groupId, { tail }] of this.#followed) if (await tail.drained()) atEnd.add(groupId);
    const { first, last } = await this.#feed.bounds();
    for (const [groupId, followed] of this.#followed) {
      if (first > followed.soundThrough + 1) this.#overran(groupId);
      const read = Math.max(followed.shippedThrough, atEnd.has(groupId) ? earlierLast : 0);
      followed.soundThrough = Math.max(followed.soundThrough, read, first - 1);
    }
    this.#logLast = last;
    return atEnd.size === this.#followed.size && this.#overrun.length === 0;
  }

  /** What the log no longer holds can only come from the store (A2, retention). */
  #overran(groupId: string): void {
    if (this.#overrun.some(version => version.groupId === groupId)) return;
    this.#overrun.push(...this.#exports.filter(version => version.groupId === groupId));
  }

  /** Stores the cursors that moved, after an audit, except of groups of which something is still `owed` that only this process knows of. */
  async saveCursors(owed: (groupId: string) => boolean = () => false): Promise<void> {
    for (const [groupId, followed] of this.#followed) {
      if (followed.shippedThrough === followed.savedThrough) continue;
      const isOverrun = this.#overrun.some(version => version.groupId === groupId);
      if (isOverrun || owed(groupId) || this.#rewound.has(groupId)) continue;
      await this.#out.saveCursor(groupId, {
        feedEpoch: this.#feed.feedEpoch,
        sequence: followed.shippedThrough,
      });
      followed.savedThrough = followed.shippedThrough;
    }
  }

  async close(): Promise<void> {
    for (const { tail } of this.#followed.values()) await tail.close();
    this.#followed.clear();
  }
}
