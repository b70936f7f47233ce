import { ProblemError } from '@featuremesh/domain/problem';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Timer } from '@featuremesh/runtime/timer';
import type { TraceSpan, Tracing } from '@featuremesh/runtime/tracing';
import type { ChangeLog, LogMessage } from '../ports/change-log.ts';
import type { OnCrashPoint } from '../ports/crash-points.ts';
import type { LeaseRef, OnlineStore } from '../ports/online-store.ts';
import { REPLAY_STEPS_IN_FLIGHT, RETRY_FIRST_MS, RETRY_LONGEST_MS } from './ingest-limits.ts';
import { type BareStep, NO_STEP, type ReplaySteps } from './replay-step.ts';

/** How a replay is fenced and counted. */
export interface ReplayScope {
  /** Name of the watermark that moves with the steps. */
  readonly watermark: string;
  readonly lease: LeaseRef;
  readonly signal: AbortSignal;
  readonly onApplied?: (message: LogMessage, rows: number) => void;
}

/** Applies messages of the log in order behind a watermark; several steps at once, of which none can pass one that failed. */
export class LogReplay {
  readonly #log: ChangeLog;
  readonly #store: OnlineStore;
  readonly #steps: ReplaySteps;
  readonly #timer: Timer;
  readonly #logger: Logger;
  readonly #tracing: Tracing | undefined;
  readonly #onCrashPoint: OnCrashPoint | undefined;

  constructor(options: {
    log: ChangeLog;
    store: OnlineStore;
    steps: ReplaySteps;
    timer: Timer;
    logger: Logger;
    tracing?: Tracing | undefined;
    /** Given by tests only. */
    onCrashPoint?: OnCrashPoint | undefined;
  }) {
    this.#log = options.log;
    this.#store = options.store;
    this.#steps = options.steps;
    this.#timer = options.timer;
    this.#logger = options.logger;
    this.#tracing = options.tracing;
    this.#onCrashPoint = options.onCrashPoint;
  }

  /** Applies the slot's own messages that the log held at the call; resolves with the watermark. Rejects as log and store do. */
  async ownTail(slot: number, scope: ReplayScope): Promise<number> {
    const after = await this.#store.watermark(scope.watermark);
    return this.apply(() => this.#log.readFrom(after, { kind: 'own', slot }), after, scope);
  }

  /**
   * Applies the messages that `open` gives, in order from above `after`, until they end or its signal aborts: the scope's, or that
   * of the first failed step. Resolves with the watermark.
   */
  async apply(
    open: (signal: AbortSignal) => AsyncIterable<LogMessage>,
    after: number,
    scope: ReplayScope,
  ): Promise<number> {
    const failed = new AbortController();
    const signal = AbortSignal.any([scope.signal, failed.signal]);
    const issued: Promise<unknown>[] = [];
    let failure: { readonly error: unknown } | undefined;
    let tail = after;
    for await (const message of open(signal)) {
      const step = await this.#awaitStep(message, signal);
      if (step === undefined) break;
      if (this.#onCrashPoint !== undefined) await this.#onCrashPoint('replay/read');
      const { sequence } = message;
      const watermark = { name: scope.watermark, sequence, after: tail };
      tail = sequence;
      const span = this.#tracing && this.#span(this.#tracing, message, step.rows.length);
      const applied = this.#store.apply({ ...step, watermark, lease: scope.lease }).then(
        async () => {
          span?.end();
          if (this.#onCrashPoint !== undefined) await this.#onCrashPoint('replay/applied');
          scope.onApplied?.(message, step.rows.length);
        },
        (error: unknown) => {
          span?.end('STORE_UNAVAILABLE');
          failure ??= { error };
          failed.abort();
        },
      );
      issued.push(applied);
      if (issued.length >= REPLAY_STEPS_IN_FLIGHT) await issued.shift();
      if (signal.aborted) break;
    }
    await Promise.all(issued);
    if (failure !== undefined) throw failure.error;
    return tail;
  }

  #span(
    tracing: Tracing,
    { traceparent, groupId, version }: LogMessage,
    rows: number,
  ): TraceSpan | undefined {
    return tracing.follow('projector.apply', [traceparent], {
      'featuremesh.group': groupId,
      'featuremesh.version': version,
      'featuremesh.rows': rows,
    });
  }

  /** Bytes that decode to nothing can never be applied; they are told and left behind, so that the rest goes on. */
  #stepOf(message: LogMessage): BareStep | undefined {
    try {
      return this.#steps.stepOf(message);
    } catch (error) {
      if (!(error instanceof ProblemError) || error.problem.code !== 'CORRUPT_DATA') throw error;
      const { groupId, version, sequence } = message;
      this.#logger.error({ err: error, groupId, version, sequence }, 'a logged chunk does not decode');
      return NO_STEP;
    }
  }

  /** Waits while the message's group is not known here: passing it over would lose its rows. */
  async #awaitStep(message: LogMessage, signal: AbortSignal): Promise<BareStep | undefined> {
    let pauseMs = RETRY_FIRST_MS;
    while (!signal.aborted) {
      const step = this.#stepOf(message);
      if (step !== undefined) return step;
      const { groupId, version, sequence } = message;
      if (pauseMs === RETRY_LONGEST_MS)
        this.#logger.warn({ groupId, version, sequence }, 'waiting for the definition of a logged group');
      await this.#timer.sleep(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, RETRY_LONGEST_MS);
    }
    return undefined;
  }
}
