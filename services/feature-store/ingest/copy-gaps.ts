import type { CopyStates } from '../ports/store-copies.ts';
import { COPIES_LAG_MS, COPIES_SETTLE_LONGEST_MS, COPIES_SETTLE_MS } from './ingest-limits.ts';

/** What is to be done about copies that may lack rows. */
export type GapDecision =
  | { readonly kind: 'nothing' }
  /** What the log holds above the floor is to be applied again, to every copy. */
  | { readonly kind: 'apply-again'; readonly gap: Gap };

/** Rows above the floor may be missing in some copy; `nodes` were away, none where this process cannot know whether one was. */
export interface Gap {
  readonly nodes: readonly string[];
}

/** How it stands, for operators. */
export type GapState =
  | { readonly kind: 'whole' }
  | { readonly kind: 'away'; readonly nodes: readonly string[] }
  | { readonly kind: 'missing'; readonly nodes: readonly string[] };

interface OpenGap {
  readonly nodes: Set<string>;
  /** Since when no node is away; undefined while one is. */
  wholeSinceMs: number | undefined;
}

/**
 * Decides what of the log is applied again because a node of the store was away. Its floor is a position of the log up to which every copy
 * has every row: what was applied while no node was away, so long ago that a node has been given what others kept for it (a node
 * that dies takes that with it). With an absence the floor stands still; when all are back, what lies above it is owed. Absences that
 * overlap are one: the floor is that of the earliest. Times are those of a monotonic clock.
 */
export class CopyGaps {
  #floor: number;
  #samples: { readonly atMs: number; readonly applied: number }[] = [];
  #gap: OpenGap | undefined;
  #away: readonly string[] = [];
  #departures: number;
  #settleMs = COPIES_SETTLE_MS;

  /** `isKnown`: no node was away since the floor was written down. Who begins to look cannot know that. */
  constructor(from: { readonly floor: number; readonly departures: number; readonly isKnown: boolean }) {
    this.#floor = from.floor;
    this.#departures = from.departures;
    if (!from.isKnown) this.#gap = { nodes: new Set(), wholeSinceMs: undefined };
  }

  /** Up to here every copy has every row; never goes back. */
  get floor(): number {
    return this.#floor;
  }

  get state(): GapState {
    if (this.#away.length > 0) return { kind: 'away', nodes: this.#away };
    return this.#gap === undefined
      ? { kind: 'whole' }
      : { kind: 'missing', nodes: [...this.#gap.nodes].toSorted() };
  }

  /** Judges how the nodes stand now; to be called often: what is away is noticed by it. */
  look(nowMs: number, { away, departures }: CopyStates): GapDecision {
    this.#away = away;
    if (away.length > 0 || departures !== this.#departures) {
      this.#departures = departures;
      this.#samples = [];
      this.#gap ??= { nodes: new Set(), wholeSinceMs: undefined };
      for (const node of away) this.#gap.nodes.add(node);
      this.#gap.wholeSinceMs = undefined;
      this.#settleMs = COPIES_SETTLE_MS;
    }
    const gap = this.#gap;
    if (gap === undefined || away.length > 0) return { kind: 'nothing' };
    gap.wholeSinceMs ??= nowMs;
    if (nowMs - gap.wholeSinceMs < this.#settleMs) return { kind: 'nothing' };
    return { kind: 'apply-again', gap: { nodes: [...gap.nodes].toSorted() } };
  }

  /** All of the log up to `applied` had been applied by now; the floor follows by so much as what is kept for a node may take. */
  sample(nowMs: number, applied: number): void {
    if (this.#gap !== undefined) return;
    this.#samples.push({ atMs: nowMs, applied });
    for (let first = this.#samples[0]; first !== undefined; first = this.#samples[0]) {
      if (nowMs - first.atMs < COPIES_LAG_MS) return;
      this.raise(first.applied);
      this.#samples.shift();
    }
  }

  /** Every copy has all up to `floor`. */
  raise(floor: number): void {
    this.#floor = Math.max(this.#floor, floor);
  }

  /** Every copy has all up to `floor`, to which the log reached when it was decided; what went since keeps the gap open. */
  close(floor: number, departures: number): void {
    this.raise(floor);
    if (this.#departures === departures && this.#away.length === 0) {
      this.#gap = undefined;
      this.#settleMs = COPIES_SETTLE_MS;
    }
  }

  /** What was decided did not succeed: tried again when the nodes have been there for a while, each time a longer one. */
  again(nowMs: number): void {
    if (this.#gap?.wholeSinceMs === undefined) return;
    this.#gap.wholeSinceMs = nowMs;
    this.#settleMs = Math.min(this.#settleMs * 2, COPIES_SETTLE_LONGEST_MS);
  }
}
