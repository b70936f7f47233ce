import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';
import type { Timer } from './timer.ts';

/** Where a process stands. Each phase has only the facts that are true in it. */
export type LifecyclePhase =
  | { readonly kind: 'created' }
  | { readonly kind: 'starting'; readonly part: string }
  | { readonly kind: 'running'; readonly sinceMs: number }
  | { readonly kind: 'stopping'; readonly reason: string; readonly sinceMs: number }
  | { readonly kind: 'stopped'; readonly reason: string; readonly unclean: readonly string[] };

/** A part of the process: started in the order of registration, stopped in the reverse one. */
export interface LifecyclePart {
  readonly name: string;
  readonly start?: () => Promise<void> | void;
  readonly stop?: () => Promise<void> | void;
  /** Longest start; a process that cannot start in time ends. Default `START_TIMEOUT_MS`. */
  readonly startTimeoutMs?: number;
  /** Longest stop; then the next part is stopped all the same. Default `STOP_TIMEOUT_MS`. */
  readonly stopTimeoutMs?: number;
}

/** Longest start of one part: a broker or a store on a loaded machine takes seconds, not minutes. */
const START_TIMEOUT_MS = 60_000;

/** Longest stop of one part: below the ten seconds after which supervisors kill. */
const STOP_TIMEOUT_MS = 5_000;

/** What a lifecycle rests on; `process` is Node's, a narrow part of it. */
export interface LifecycleOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly timer: Timer;
  /**
   * How long a process that was told to end goes on as before and only says so (`phase`), so that balancers send nobody any more.
   * Default 0. Not waited for where a start failed or the supervisor is gone.
   */
  readonly graceMs?: number;
}

/** The part of Node's `process` that ends a process or tells it to end. */
export interface HostProcess {
  /** Undefined without an IPC channel, false once it is closed. */
  readonly connected?: boolean | undefined;
  on(event: 'SIGTERM' | 'SIGINT' | 'disconnect', listener: () => void): unknown;
  exit(code: number): void;
}

/** Starts and stops the parts of a process in order, each in bounded time, once. */
export class Lifecycle {
  readonly #options: LifecycleOptions;
  readonly #parts: LifecyclePart[] = [];
  readonly #started: LifecyclePart[] = [];
  readonly #aborter = new AbortController();
  #phase: LifecyclePhase = { kind: 'created' };
  #stopping: Promise<readonly string[]> | undefined;
  #host: HostProcess | undefined;

  constructor(options: LifecycleOptions) {
    this.#options = options;
  }

  get phase(): LifecyclePhase {
    return this.#phase;
  }

  /** Aborts when the stop begins: hand it to loops and long polls. */
  get signal(): AbortSignal {
    return this.#aborter.signal;
  }

  /** Registers a part; before `start`, or from a part's own start. */
  add(part: LifecyclePart): void {
    this.#parts.push(part);
  }

  /** Registers something to stop, such as a server that is open already. */
  onStop(name: string, stop: () => Promise<void> | void): void {
    this.add({ name, stop });
  }

  /** Starts all parts in order. Where one fails or takes too long, those started are stopped and the error is thrown. */
  async start(): Promise<void> {
    try {
      for (let i = 0; i < this.#parts.length && !this.signal.aborted; i++) {
        const part = this.#parts[i];
        if (part === undefined) break;
        this.#phase = { kind: 'starting', part: part.name };
        // Before its start, so that what a failed start left open is closed too.
        this.#started.push(part);
        await this.#bounded(`start of ${part.name}`, part.startTimeoutMs ?? START_TIMEOUT_MS, part.start);
      }
    } catch (error) {
      await this.stop('start failed');
      throw error;
    }
    if (!this.signal.aborted) this.#phase = { kind: 'running', sinceMs: this.#options.clock.nowMs() };
  }

  /** Stops what was started, last first; resolves with the names of parts that failed or took too long. Later calls wait for the first. */
  stop(reason: string, graceMs = 0): Promise<readonly string[]> {
    this.#stopping ??= this.#stopAll(reason, graceMs);
    return this.#stopping;
  }

  /** Ends the process in order on SIGTERM, SIGINT, and when the IPC channel of a supervisor closes; exit code 1 where a part was unclean. */
  attach(host: HostProcess): void {
    this.#host = host;
    const end =
      (reason: string, graceMs = 0) =>
      async (): Promise<void> => {
        const unclean = await this.stop(reason, graceMs);
        host.exit(unclean.length === 0 ? 0 : 1);
      };
    host.on('SIGTERM', end('SIGTERM', this.#options.graceMs));
    host.on('SIGINT', end('SIGINT', this.#options.graceMs));
    if (host.connected === true) host.on('disconnect', end('supervisor gone'));
    // Its supervisor ended before this line ran: the event has passed.
    if (host.connected === false) void end('supervisor gone')();
  }

  /** Ends the process in order with exit code 1, so that its supervisor starts it anew. Nothing more where it ends already. */
  fail(reason: string): void {
    if (this.#stopping !== undefined) return;
    this.#options.logger.error({ reason }, 'this process ends, to begin anew');
    void this.stop(reason).then(() => this.#host?.exit(1));
  }

  async #stopAll(reason: string, graceMs: number): Promise<readonly string[]> {
    const { logger, clock, timer } = this.#options;
    const wasRunning = this.#phase.kind === 'running';
    this.#phase = { kind: 'stopping', reason, sinceMs: clock.nowMs() };
    logger.info({ reason }, 'stopping');
    // A process that was not ready yet has nobody to send elsewhere.
    if (graceMs > 0 && wasRunning) await timer.sleep(graceMs);
    this.#aborter.abort();
    const unclean: string[] = [];
    for (const part of this.#started.toReversed()) {
      try {
        await this.#bounded(`stop of ${part.name}`, part.stopTimeoutMs ?? STOP_TIMEOUT_MS, part.stop);
      } catch (error) {
        unclean.push(part.name);
        logger.error({ err: error, part: part.name }, 'a part did not stop cleanly');
      }
    }
    this.#phase = { kind: 'stopped', reason, unclean };
    return unclean;
  }

  async #bounded(
    what: string,
    timeoutMs: number,
    work: (() => Promise<void> | void) | undefined,
  ): Promise<void> {
    if (work === undefined) return;
    const done = new AbortController();
    const late = this.#options.timer.sleep(timeoutMs, done.signal).then(() => {
      if (done.signal.aborted) return;
      throw new ProblemError(problem('DEADLINE_EXCEEDED', `${what} took longer than ${timeoutMs} ms`));
    });
    try {
      await Promise.race([Promise.resolve().then(work), late]);
    } finally {
      done.abort();
    }
  }
}
