import type { MonotonicClock } from '@featuremesh/runtime/clock';
import { Deadlines } from '@featuremesh/runtime/deadlines';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Timer } from '@featuremesh/runtime/timer';
import type { AppendOutcome, ChangeLog, ChunkAppend } from '../ports/change-log.ts';
import type { OnCrashPoint } from '../ports/crash-points.ts';
import type { LeaseRef, OnlineStore } from '../ports/online-store.ts';
import { ownWatermark } from './applied-names.ts';
import {
  APPLY_PATIENCE_MS,
  LATE_APPLY_PATIENCE_MS,
  RETRY_FIRST_MS,
  RETRY_LONGEST_MS,
  UNKNOWN_APPEND_QUARANTINE_MS,
} from './ingest-limits.ts';
import { isStaleLease } from './lease-failures.ts';
import type { LogReplay } from './log-replay.ts';
import type { BareStep } from './replay-step.ts';

/** How an append and its apply ended; `online` only where the chunk is in the log. */
export type OwnWriteOutcome =
  | { readonly kind: 'stored'; readonly sequence: number; readonly online: 'APPLIED' | 'PENDING' }
  | Exclude<AppendOutcome, { kind: 'stored' }>;

/** What an applier works with; `onFenced` is called where the slot's lease was found to be another's. */
export interface OwnApplierOptions {
  readonly slot: number;
  readonly lease: LeaseRef;
  readonly log: ChangeLog;
  readonly store: OnlineStore;
  readonly replay: LogReplay;
  readonly clock: MonotonicClock;
  readonly timer: Timer;
  readonly logger: Logger;
  readonly onFenced: () => void;
  /** Given by tests only. */
  readonly onCrashPoint?: OnCrashPoint | undefined;
}

/**
 * `direct`: all own messages up to `tail` are applied or issued, each new one moves the watermark.
 * `behind`: something before may be missing in the store; rows are applied, the watermark stays until the log was read again.
 */
type Mode =
  | { readonly kind: 'direct'; tail: number }
  | { readonly kind: 'behind'; readonly recovery: Promise<void> };

/**
 * Appends this process's chunks and applies them in log order. The watermark never passes a chunk that is not applied: not where
 * an append's outcome stays unknown, nor where the store failed in between (ARCHITECTURE, "Write").
 */
export class OwnApplier {
  readonly #options: OwnApplierOptions;
  readonly #watermark: string;
  readonly #stopped = new AbortController();
  #mode: Mode;
  /** Resolves when every append begun so far has settled and its step is issued. */
  #settled: Promise<void> = Promise.resolve();
  /** Appends wait here while a recovery hands over. */
  #gate: Promise<void> = Promise.resolve();
  #storeFailing = false;
  readonly #deadlines: Deadlines;
  /** Steps whose writers were answered before the store did. */
  #late = 0;
  #logWasReplaced = false;
  /** Counts what may still land in the log; quiet again some time after the last, by no clock that may jump. */
  #quarantine = 0;
  #isQuiet = true;

  /**
   * `tail` is the watermark after the slot's log was read to its end. `hadOtherOwner`: an append of the process before may still land,
   * so that the log is read once more before the watermark moves.
   */
  constructor(options: OwnApplierOptions, from: { readonly tail: number; readonly hadOtherOwner: boolean }) {
    this.#options = options;
    this.#deadlines = new Deadlines(options);
    this.#watermark = ownWatermark(options.slot, options.log.feedEpoch);
    this.#mode = { kind: 'direct', tail: from.tail };
    if (!from.hadOtherOwner) return;
    this.#beginQuarantine();
    this.#fallBehind('another process owned the slot');
  }

  /** True while the watermark stays behind on purpose. */
  get isBehind(): boolean {
    return this.#mode.kind === 'behind';
  }

  /** Appends one chunk; `stepOf` gives its step once its sequence is known. Never rejects for log or store. */
  async write(chunk: ChunkAppend, stepOf: (sequence: number) => BareStep): Promise<OwnWriteOutcome> {
    await this.#gate;
    // A retry would be a duplicate in the new log, and be told applied though this process never applied it.
    if (this.#logWasReplaced) return { kind: 'refused', reason: 'unavailable' };
    const before = this.#settled;
    let settle = (): void => undefined;
    this.#settled = new Promise(resolve => {
      settle = resolve;
    });
    try {
      const outcome = await this.#append(chunk);
      await before;
      if (outcome.kind === 'unknown') {
        this.#beginQuarantine();
        this.#fallBehind('an append has an unknown outcome');
      }
      if (outcome.kind !== 'stored') return outcome;
      const { onCrashPoint } = this.#options;
      if (onCrashPoint !== undefined) await onCrashPoint('own/appended');
      if (this.#isOfAnotherLog(outcome.sequence)) {
        this.#logWasReplaced = true;
        this.#options.logger.error({}, 'the log counts anew: it was made anew while this process ran');
        return { kind: 'unknown' };
      }
      const applying = this.#inTime(this.#issue(outcome.sequence, stepOf(outcome.sequence)));
      settle();
      const online = await applying;
      if (onCrashPoint !== undefined) await onCrashPoint('own/applied');
      return { ...outcome, online };
    } finally {
      settle();
    }
  }

  /** Ends a recovery under way and waits for what is in flight. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#settled;
    if (this.#mode.kind === 'behind') await this.#mode.recovery;
  }

  async #append(chunk: ChunkAppend): Promise<AppendOutcome> {
    try {
      return await this.#options.log.append(chunk);
    } catch (error) {
      this.#options.logger.error({ err: error }, 'an append failed unexpectedly');
      return { kind: 'unknown' };
    }
  }

  /** Nothing of another log is acknowledged here: the watermark counts this one. The process ends as soon as it knows the new epoch. */
  #isOfAnotherLog(sequence: number): boolean {
    return this.#mode.kind === 'direct' && sequence <= this.#mode.tail;
  }

  /** A writer whose rows are in the log does not wait for a store that is late, and hardly while it is known to be; the step goes on. */
  #inTime(applying: Promise<'APPLIED' | 'PENDING'>): Promise<'APPLIED' | 'PENDING'> {
    return new Promise((resolve, reject) => {
      let isLate = false;
      const patienceMs = this.#late > 0 ? LATE_APPLY_PATIENCE_MS : APPLY_PATIENCE_MS;
      const deadline = this.#deadlines.open(patienceMs, () => {
        isLate = true;
        this.#late += 1;
        resolve('PENDING');
      });
      applying
        .finally(() => {
          this.#deadlines.cancel(deadline);
          if (isLate) this.#late -= 1;
        })
        .then(resolve, reject);
    });
  }

  /** Called in log order. The step of a later chunk moves the watermark only from where this one left it. */
  async #issue(sequence: number, step: BareStep): Promise<'APPLIED' | 'PENDING'> {
    const { store, lease } = this.#options;
    let watermark: { name: string; sequence: number; after: number } | undefined;
    if (this.#mode.kind === 'direct') {
      watermark = { name: this.#watermark, sequence, after: this.#mode.tail };
      this.#mode.tail = sequence;
    } else if (this.#storeFailing) return 'PENDING';
    try {
      // A position says that everything before it is readable too (V6): claimed only in the order of the log.
      await store.apply(
        watermark === undefined ? { ...step, positions: [], lease } : { ...step, watermark, lease },
      );
      return 'APPLIED';
    } catch (error) {
      if (isStaleLease(error)) this.#options.onFenced();
      else {
        this.#options.logger.warn({ err: error }, 'a chunk is in the log but not in the online store yet');
        this.#storeFailing = true;
      }
      this.#fallBehind('a step failed');
      return 'PENDING';
    }
  }

  #beginQuarantine(): void {
    this.#quarantine += 1;
    this.#isQuiet = false;
    const mine = this.#quarantine;
    void this.#options.timer.sleep(UNKNOWN_APPEND_QUARANTINE_MS, this.#stopped.signal).then(() => {
      if (this.#quarantine === mine) this.#isQuiet = true;
    });
  }

  #fallBehind(reason: string): void {
    if (this.#mode.kind === 'behind') return;
    this.#options.logger.warn({ reason, slot: this.#options.slot }, 'own writes fall behind the log');
    let begin = (): void => undefined;
    const begun = new Promise<void>(resolve => {
      begin = resolve;
    });
    this.#mode = { kind: 'behind', recovery: begun.then(() => this.#recover()) };
    begin();
  }

  async #recover(): Promise<void> {
    const { timer, logger, onFenced } = this.#options;
    const { signal } = this.#stopped;
    let pauseMs = RETRY_FIRST_MS;
    while (!signal.aborted) {
      try {
        await this.#catchUp();
        this.#storeFailing = false;
        if (this.#isQuiet && (await this.#handOver())) {
          logger.info({ slot: this.#options.slot }, 'own writes follow the log again');
          return;
        }
      } catch (error) {
        if (isStaleLease(error)) {
          onFenced();
          return;
        }
        logger.warn({ err: error, pauseMs }, 'reading the own log again failed');
      }
      await timer.sleep(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, RETRY_LONGEST_MS);
    }
  }

  #catchUp(): Promise<number> {
    const { slot, lease, replay } = this.#options;
    return replay.ownTail(slot, { watermark: this.#watermark, lease, signal: this.#stopped.signal });
  }

  /** With no append in flight the log is read to its end, and from there on each append moves the watermark again. */
  async #handOver(): Promise<boolean> {
    let open = (): void => undefined;
    this.#gate = new Promise(resolve => {
      open = resolve;
    });
    try {
      await this.#settled;
      const tail = await this.#catchUp();
      if (!this.#isQuiet || this.#stopped.signal.aborted) return false;
      this.#mode = { kind: 'direct', tail };
      return true;
    } finally {
      open();
    }
  }
}
