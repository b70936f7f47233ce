import type { Position } from '@featuremesh/domain/position';
import type { OpenSnapshot } from '../ports/feed.ts';
import { MAX_QUEUED_SNAPSHOTS } from './limits.ts';

/** One group version of one requested snapshot, and where its scan stands. */
export interface SnapshotTurn {
  readonly requestId: string;
  readonly groupId: string;
  readonly version: number;
  readonly after: string | undefined;
  /** Positions that the store had applied when the scan began. */
  readonly watermarks: readonly Position[] | undefined;
}

/** Snapshots that an exporter owes its peer, one group after the other. Lost with the process: the importer asks again. */
export class SnapshotQueue {
  #turns: SnapshotTurn[] = [];
  readonly #notBeforeMs = new WeakMap<SnapshotTurn, number>();

  /** Adds a request; false where the queue is full. A request that is under way already is not added twice. */
  add(request: OpenSnapshot): boolean {
    const fresh = request.groups.filter(
      group =>
        !this.#turns.some(
          turn =>
            turn.requestId === request.requestId &&
            turn.groupId === group.groupId &&
            turn.version === group.version,
        ),
    );
    const requests = new Set(this.#turns.map(turn => turn.requestId));
    if (fresh.length > 0 && !requests.has(request.requestId) && requests.size >= MAX_QUEUED_SNAPSHOTS)
      return false;
    for (const { groupId, version } of fresh) {
      this.#turns.push({
        requestId: request.requestId,
        groupId,
        version,
        after: undefined,
        watermarks: undefined,
      });
    }
    return true;
  }

  /** What to read next; undefined where nothing is owed, or all that is owed was put off. */
  due(nowMs: number): SnapshotTurn | undefined {
    return this.#turns.find(turn => (this.#notBeforeMs.get(turn) ?? -Infinity) <= nowMs);
  }

  /** Whether any snapshot is owed. */
  isOwing(): boolean {
    return this.#turns.length > 0;
  }

  /** Whether a snapshot of the group is owed. */
  owes(groupId: string): boolean {
    return this.#turns.some(turn => turn.groupId === groupId);
  }

  /** Puts a turn off, and behind the others. */
  defer(turn: SnapshotTurn, notBeforeMs: number): void {
    this.#turns = [...this.#turns.filter(other => other !== turn), turn];
    this.#notBeforeMs.set(turn, notBeforeMs);
  }

  /** Moves a turn on after a page was shipped; `next` undefined ends it. */
  advance(turn: SnapshotTurn, next: string | undefined, watermarks: readonly Position[]): void {
    const at = this.#turns.indexOf(turn);
    if (at < 0) return;
    if (next === undefined) this.#turns.splice(at, 1);
    else this.#turns[at] = { ...turn, after: next, watermarks };
  }

  /** Gives a turn up: the peer may no longer hold the group. */
  drop(turn: SnapshotTurn): void {
    this.#turns = this.#turns.filter(other => other !== turn);
  }
}
