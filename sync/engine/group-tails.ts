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
  #turn = 0;

  constructor(feed: FeedSource, out: LinkOut) {
    this.#feed = feed;
    this.#out = out;
  }

  /** Follows exactly the groups of these versions from now on; returns the groups that are no longer exported. */
  async follow(exports: readonly ExportedVersion[]): Promise<readonly string[]> {
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
    if (fresh.length > 0) await this.#begin(fresh, exports);
    return left;
  }

  async #begin(groups: readonly string[], exports: readonly ExportedVersion[]): Promise<void> {
    const cursors = await this.#out.cursors();
    const firstHeld = await this.#feed.firstSequence();
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
      });
      // What the log no longer holds can only come from the store (A2, retention).
      if (firstHeld > through + 1)
        this.#overrun.push(...exports.filter(version => version.groupId === groupId));
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

  /** True where no followed group has an own chunk that is not in OUT, as of the call. */
  async drained(): Promise<boolean> {
    for (const { tail } of this.#followed.values()) {
      if (!(await tail.drained())) return false;
    }
    return true;
  }

  /** Stores the cursors that moved, except of groups of which something is still `owed` that only this process knows of. */
  async saveCursors(owed: (groupId: string) => boolean = () => false): Promise<void> {
    for (const [groupId, followed] of this.#followed) {
      if (followed.shippedThrough === followed.savedThrough) continue;
      if (owed(groupId) || this.#rewound.has(groupId)) continue;
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
