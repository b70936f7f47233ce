import type { LinkEnvelope } from '@featuremesh/contracts/link-envelope';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Random } from '@featuremesh/runtime/random';
import type { OpenSnapshot } from '../ports/feed.ts';
import { MAX_OPEN_SNAPSHOTS, SNAPSHOT_PATIENCE_MS } from './limits.ts';
import type { GapReason } from './link-chain.ts';

/**
 * Sends a request for winners of these groups to the peer; may be repeated with the same id. `divergence`: rows are known to be missing,
 * and no batch was missed just now.
 */
export type SnapshotRequester = (request: OpenSnapshot, reason: GapReason | 'divergence') => Promise<void>;

/**
 * Snapshots that this region waits for. They stand in the stored cursor, so that a restart on either side does not forget them, and
 * are asked for again when nothing of them came for a while.
 */
export class OpenSnapshots {
  readonly #parts: {
    readonly clock: Clock;
    readonly random: Random;
    readonly requestSnapshot: SnapshotRequester;
  };
  #open: { request: OpenSnapshot; heardAtMs: number }[] = [];

  constructor(parts: { clock: Clock; random: Random; requestSnapshot: SnapshotRequester }) {
    this.#parts = parts;
  }

  /** Takes over what the stored cursor says; asked for again at the next reminder. */
  restore(open: readonly OpenSnapshot[]): void {
    this.#open = open.map(request => ({ request, heardAtMs: -Infinity }));
  }

  list(): readonly OpenSnapshot[] {
    return this.#open.map(({ request }) => request);
  }

  /** Asks for the groups; where as many are open as may be, they are merged into the newest. */
  async request(groups: OpenSnapshot['groups'], reason: GapReason | 'divergence'): Promise<void> {
    if (groups.length === 0) return;
    const replaced = this.#open.length >= MAX_OPEN_SNAPSHOTS ? this.#open.pop()?.request.groups : undefined;
    const all = new Map(
      [...(replaced ?? []), ...groups].map(group => [`${group.groupId}@${group.version}`, group]),
    );
    const request = { requestId: this.#parts.random.base32(16), groups: [...all.values()] };
    this.#open.push({ request, heardAtMs: this.#parts.clock.nowMs() });
    await this.#parts.requestSnapshot(request, reason);
  }

  /**
   * Notes that rows of the group were turned away, because this region did not permit it: where it comes to do so, what was missed is
   * asked for. The peer may know of a loosening before this region does, so without this its first rows would be lost.
   */
  missed(group: OpenSnapshot['groups'][number]): void {
    const same = (other: OpenSnapshot['groups'][number]): boolean =>
      other.groupId === group.groupId && other.version === group.version;
    if (this.#open.some(({ request }) => request.groups.some(same))) return;
    const replaced = this.#open.length >= MAX_OPEN_SNAPSHOTS ? this.#open.pop()?.request.groups : undefined;
    const request = { requestId: this.#parts.random.base32(16), groups: [...(replaced ?? []), group] };
    this.#open.push({ request, heardAtMs: -Infinity });
  }

  /** Whether rows of the group may be missing here. */
  awaits(groupId: string): boolean {
    return this.#open.some(({ request }) => request.groups.some(group => group.groupId === groupId));
  }

  /** Whether anything is missing that this region may hold; what it may not hold is not missed. */
  awaitsAny(permitted: OpenSnapshot['groups']): boolean {
    return this.#open.some(({ request }) => request.groups.some(group => includes(permitted, group)));
  }

  touched(requestId: string): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const open of this.#open) if (open.request.requestId === requestId) open.heardAtMs = nowMs;
  }

  /** The last page of a group is here: the group is no longer awaited under this request. */
  finished(requestId: string, envelope: Pick<LinkEnvelope, 'groupId' | 'version'>): void {
    this.touched(requestId);
    this.#open = this.#open
      .map(open => {
        if (open.request.requestId !== requestId) return open;
        const groups = open.request.groups.filter(
          group => group.groupId !== envelope.groupId || group.version !== envelope.version,
        );
        return { ...open, request: { ...open.request, groups } };
      })
      .filter(open => open.request.groups.length > 0);
  }

  drop(requestId: string): void {
    this.#open = this.#open.filter(open => open.request.requestId !== requestId);
  }

  /** Asks (again) for what was not heard of for long, as far as it is permitted here. */
  async remind(permitted: OpenSnapshot['groups']): Promise<void> {
    const nowMs = this.#parts.clock.nowMs();
    for (const open of this.#open) {
      if (Math.abs(nowMs - open.heardAtMs) < SNAPSHOT_PATIENCE_MS) continue;
      const groups = open.request.groups.filter(group => includes(permitted, group));
      if (groups.length === 0) continue;
      open.heardAtMs = nowMs;
      await this.#parts.requestSnapshot({ ...open.request, groups }, 'divergence');
    }
  }
}

function includes(groups: OpenSnapshot['groups'], wanted: OpenSnapshot['groups'][number]): boolean {
  return groups.some(group => group.groupId === wanted.groupId && group.version === wanted.version);
}
