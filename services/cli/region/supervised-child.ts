import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Timer } from '@featuremesh/runtime/timer';
import type { LogFile } from './log-file.ts';
import { removePidFile, writePidFile } from './pid-file.ts';

/** First wait before a restart; doubled on each failure in a row. */
const FIRST_BACKOFF_MS = 250;
/** Longest wait between restarts. */
const MAX_BACKOFF_MS = 10_000;
/** A child that ran this long starts again with the first wait. */
const STABLE_AFTER_MS = 30_000;
/** Deaths before the first readiness after which the start is given up: the cause will not go away by itself. */
const MAX_DEATHS_BEFORE_READY = 5;
/** How often readiness is asked while starting. */
const READY_POLL_MS = 100;

/** What to run, how to know that it is ready, how long it may take to stop. */
export interface ChildSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Node children end themselves when this channel closes; the broker has none. */
  readonly ipc: boolean;
  /** Text in its arguments by which a later start recognises it. */
  readonly marker: string;
  /** Undefined where ready, else why not, in words. */
  readonly notReady: () => Promise<string | undefined>;
  /** From SIGTERM to SIGKILL. */
  readonly stopMs: number;
}

/** Where the child stands. `failed`: it died again and again before it was ever ready. */
export type ChildState =
  | { readonly phase: 'stopped' }
  | { readonly phase: 'starting' | 'running'; readonly pid: number; readonly sinceMs: number }
  | { readonly phase: 'waiting'; readonly untilMs: number; readonly reason: string }
  | { readonly phase: 'failed'; readonly reason: string };

/** What a child needs from its supervisor. */
export interface ChildSurroundings {
  readonly clock: Clock;
  readonly timer: Timer;
  readonly log: LogFile;
  readonly runFolder: string;
  /** Says what a person should see: deaths and restarts. */
  readonly tell: (text: string) => void;
}

/** One process of a region, kept running: restarted with a growing, bounded wait when it dies; stopped within a bounded time. */
export class SupervisedChild {
  readonly spec: ChildSpec;
  readonly #around: ChildSurroundings;
  #state: ChildState = { phase: 'stopped' };
  #process: ChildProcess | undefined;
  #wanted = false;
  #everReady = false;
  #deathsInRow = 0;

  constructor(spec: ChildSpec, around: ChildSurroundings) {
    this.spec = spec;
    this.#around = around;
  }

  get state(): ChildState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts the process; does not wait for readiness. */
  async start(): Promise<void> {
    this.#wanted = true;
    this.#deathsInRow = 0;
    await this.#launch();
  }

  /** Waits until ready; returns the reason where it is not within `withinMs` or the child gave up. */
  async untilReady(withinMs: number, signal: AbortSignal): Promise<string | undefined> {
    const deadlineMs = this.#around.clock.nowMs() + withinMs;
    let reason = 'it has not answered yet';
    while (this.#around.clock.nowMs() < deadlineMs && !signal.aborted) {
      if (this.#state.phase === 'failed') return this.#state.reason;
      if (this.pid !== undefined) {
        const why = await this.spec.notReady();
        if (why === undefined) {
          this.#everReady = true;
          this.#deathsInRow = 0;
          return undefined;
        }
        reason = why;
      }
      await this.#around.timer.sleep(READY_POLL_MS, signal);
    }
    return signal.aborted ? 'the start was interrupted' : reason;
  }

  /** Asks the process to drain, waits `stopMs`, then kills it. Returns true where it ended by itself. */
  async stop(): Promise<boolean> {
    this.#wanted = false;
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      this.#state = { phase: 'stopped' };
      return true;
    }
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const giveUp = new AbortController();
    const byItself = await Promise.race([
      ended.then(() => true),
      this.#around.timer.sleep(this.spec.stopMs, giveUp.signal).then(() => false),
    ]);
    giveUp.abort();
    if (!byItself) {
      this.#around.tell(`${this.spec.name} did not stop within ${this.spec.stopMs} ms and was killed`);
      child.kill('SIGKILL');
      await ended;
    }
    this.#state = { phase: 'stopped' };
    return byItself;
  }

  async #launch(): Promise<void> {
    const { spec } = this;
    const { clock, log, runFolder } = this.#around;
    // Its own session: a terminal's Ctrl-C reaches the supervisor only, which then stops its children in order.
    const child = spawn(spec.command, [...spec.args], {
      env: spec.env,
      detached: true,
      stdio: spec.ipc ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8');
      stream?.on('data', (text: string) => log.write(text));
    }
    const sinceMs = clock.nowMs();
    child.once('error', error => this.#ended(child, sinceMs, `could not be run: ${error.message}`));
    child.once('exit', (code, signal) =>
      this.#ended(child, sinceMs, `ended with ${signal ?? `status ${code}`}`),
    );
    if (child.pid === undefined) return;
    this.#state = { phase: 'starting', pid: child.pid, sinceMs };
    await writePidFile(runFolder, spec.name, child.pid, spec.marker);
  }

  #ended(child: ChildProcess, sinceMs: number, how: string): void {
    if (this.#process !== child) return;
    this.#process = undefined;
    const { clock, log, runFolder, tell } = this.#around;
    removePidFile(runFolder, this.spec.name);
    log.note(`${this.spec.name} ${how}`);
    if (!this.#wanted) {
      this.#state = { phase: 'stopped' };
      return;
    }
    this.#deathsInRow = clock.nowMs() - sinceMs > STABLE_AFTER_MS ? 1 : this.#deathsInRow + 1;
    if (!this.#everReady && this.#deathsInRow >= MAX_DEATHS_BEFORE_READY) {
      this.#state = { phase: 'failed', reason: `${this.spec.name} ${how}, ${this.#deathsInRow} times` };
      return;
    }
    const waitMs = Math.min(FIRST_BACKOFF_MS * 2 ** (this.#deathsInRow - 1), MAX_BACKOFF_MS);
    this.#state = { phase: 'waiting', untilMs: clock.nowMs() + waitMs, reason: how };
    tell(`${this.spec.name} ${how}; it is started again in ${waitMs} ms`);
    void this.#restartAfter(waitMs);
  }

  async #restartAfter(waitMs: number): Promise<void> {
    await this.#around.timer.sleep(waitMs);
    if (this.#wanted && this.#process === undefined) await this.#launch();
  }
}
