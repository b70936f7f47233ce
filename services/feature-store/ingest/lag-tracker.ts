import type { Clock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Repetition, Timer } from '@featuremesh/runtime/timer';
import type { ChangeLog, LinkProgress } from '../ports/change-log.ts';
import type { OnlineStore } from '../ports/online-store.ts';
import { importsWatermark } from './applied-names.ts';

/** How often the projector's watermark is read; it may move in another process. */
const POLL_MS = 100;
/** Reports of a peer that wait to be applied: minutes at several reports a second; the oldest ones are what matters least. */
const MAX_WAITING_REPORTS = 4_096;

interface PeerProgress {
  /** Applied: all that the peer accepted by this time of its clock is readable here. */
  knownAsOfMs: number | undefined;
  waiting: LinkProgress[];
}

/** What a lag tracker works with. */
export interface LagTrackerOptions {
  readonly log: Pick<ChangeLog, 'feedEpoch' | 'onProgress'>;
  readonly store: Pick<OnlineStore, 'watermark'>;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly logger: Logger;
}

/** Derives each peer's replication lag from the importer's reports and what the projector has applied (S6). */
export class LagTracker {
  readonly #options: LagTrackerOptions;
  readonly #peers = new Map<string, PeerProgress>();
  readonly #stopped = new AbortController();
  #applied = 0;
  #poll: Repetition | undefined;
  #failing = false;

  constructor(options: LagTrackerOptions) {
    this.#options = options;
  }

  /** Begins to listen and to read the watermark. */
  start(): void {
    const { log, timer } = this.#options;
    log.onProgress(progress => this.#report(progress), this.#stopped.signal);
    this.#poll = timer.every(POLL_MS, () => this.#readWatermark());
  }

  /** Ends both. */
  stop(): void {
    this.#stopped.abort();
    this.#poll?.stop();
  }

  /**
   * Milliseconds by which the rows of `peer` that are readable here may be behind: this clock less the peer's time up to which all
   * is applied. Null where that is not known; never below 1, because the peer's clock may run ahead of this one and rows may be on
   * the way that nobody has told of yet.
   */
  lagMs(peer: string): number | null {
    const known = this.#peers.get(peer);
    if (known?.knownAsOfMs === undefined || this.#failing) return null;
    return Math.max(1, this.#options.clock.nowMs() - known.knownAsOfMs);
  }

  #report(progress: LinkProgress): void {
    const peer = this.#peers.get(progress.peer) ?? { knownAsOfMs: undefined, waiting: [] };
    this.#peers.set(progress.peer, peer);
    peer.waiting.push(progress);
    // Dropping a later report than the first only makes the lag look longer until the next one.
    if (peer.waiting.length > MAX_WAITING_REPORTS) peer.waiting.splice(1, 1);
    this.#settle(peer);
  }

  async #readWatermark(): Promise<void> {
    const { store, log, logger } = this.#options;
    try {
      this.#applied = await store.watermark(importsWatermark(log.feedEpoch));
      this.#failing = false;
    } catch (error) {
      if (!this.#failing)
        logger.warn({ err: error }, 'replication lag is not known: the store does not answer');
      this.#failing = true;
    }
    for (const peer of this.#peers.values()) this.#settle(peer);
  }

  #settle(peer: PeerProgress): void {
    let done = 0;
    for (const { throughSequence, knownAsOfMs } of peer.waiting) {
      if (throughSequence > this.#applied) break;
      peer.knownAsOfMs = Math.max(knownAsOfMs, peer.knownAsOfMs ?? knownAsOfMs);
      done += 1;
    }
    if (done > 0) peer.waiting.splice(0, done);
  }
}
