import type { Socket } from 'node:net';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Random } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import type { ByteBudget } from './byte-budget.ts';
import { MAX_PIECES, MAX_WINDOW_BYTES, MIN_PIECE_BYTES, MIN_WINDOW_BYTES, PIECE_MS } from './limits.ts';
import type { SharedLine } from './shared-line.ts';
import type { PathConditions } from './wan-path.ts';

/** Time and chance of the proxy. */
export interface WanTools {
  readonly clock: MonotonicClock;
  readonly timer: Timer;
  readonly random: Random;
}

/** What a pipe works with. */
export interface PipeOptions {
  readonly source: Socket;
  readonly target: Socket;
  readonly tools: WanTools;
  readonly conditions: () => PathConditions;
  /** True while everything vanishes. */
  readonly vanishes: () => boolean;
  readonly line: SharedLine;
  readonly budget: ByteBudget;
  /** Every byte that enters, vanishing ones too. */
  readonly onBytes: (chunk: Buffer) => void;
}

type Piece =
  | { readonly kind: 'bytes'; readonly bytes: Buffer; readonly dueMs: number }
  | { readonly kind: 'end' | 'reset'; readonly dueMs: number };

/**
 * Carries one direction of a connection: each byte leaves after the delay, in the order of entry, its half-close and its reset
 * behind it. Reads stop while the window is full, so that the sender feels the receiver and the line.
 */
export class DelayedPipe {
  readonly #options: PipeOptions;
  readonly #pieces: Piece[] = [];
  readonly #stop = new AbortController();
  #heldBytes = 0;
  #lastDueMs = 0;
  #carrying = false;
  #paused = false;
  #hasLost = false;

  constructor(options: PipeOptions) {
    this.#options = options;
    const { source } = options;
    source.on('data', chunk => this.#take(chunk));
    source.once('end', () => this.#put({ kind: 'end', dueMs: this.#dueMs(0) }));
    source.once('close', hadError => {
      if (hadError) this.#put({ kind: 'reset', dueMs: this.#dueMs(0) });
    });
    source.resume();
  }

  /** True where something vanished: a stream with a hole is never continued. */
  get hasLost(): boolean {
    return this.#hasLost;
  }

  /** Lets go of what is held; nothing is delivered any more. */
  stop(): void {
    this.#stop.abort();
    this.#options.budget.forget(this.#resume);
    this.#options.budget.give(this.#heldBytes);
    this.#heldBytes = 0;
    this.#pieces.length = 0;
  }

  #take(chunk: Buffer): void {
    const { onBytes, vanishes, conditions } = this.#options;
    if (this.#stop.signal.aborted) return;
    onBytes(chunk);
    if (vanishes()) {
      this.#hasLost = true;
      return;
    }
    this.#heldBytes += chunk.length;
    this.#options.budget.take(chunk.length);
    const length = pieceBytes(conditions().bytesPerSecond);
    for (let at = 0; at < chunk.length; at += length) {
      const bytes = chunk.subarray(at, at + length);
      this.#put({ kind: 'bytes', bytes, dueMs: this.#dueMs(bytes.length) });
    }
    this.#holdBack();
  }

  #put(piece: Piece): void {
    if (this.#stop.signal.aborted) return;
    this.#pieces.push(piece);
    if (!this.#carrying) void this.#carry();
  }

  /** Never before what entered earlier, whatever chance adds. */
  #dueMs(bytes: number): number {
    const { tools, line } = this.#options;
    const { delayMs, jitterMs, bytesPerSecond } = this.#options.conditions();
    const leavesMs = line.leavesAtMs(bytes, tools.clock.monotonicMs(), bytesPerSecond);
    const jitter = jitterMs === 0 ? 0 : tools.random.float() * jitterMs;
    this.#lastDueMs = Math.max(this.#lastDueMs, leavesMs + delayMs + jitter);
    return this.#lastDueMs;
  }

  async #carry(): Promise<void> {
    const { tools, vanishes, target } = this.#options;
    const { signal } = this.#stop;
    this.#carrying = true;
    for (let piece = this.#pieces[0]; piece !== undefined && !signal.aborted; piece = this.#pieces[0]) {
      const waitMs = piece.dueMs - tools.clock.monotonicMs();
      if (waitMs > 0) {
        await tools.timer.sleep(Math.ceil(waitMs), signal);
        continue;
      }
      this.#pieces.shift();
      if (vanishes()) this.#hasLost = true;
      else if (!this.#deliver(piece)) await drained(target, signal);
      if (piece.kind === 'bytes') this.#released(piece.bytes.length);
    }
    this.#carrying = false;
  }

  /** False where the target must drain first. */
  #deliver(piece: Piece): boolean {
    const { target } = this.#options;
    if (target.destroyed) return true;
    switch (piece.kind) {
      case 'bytes':
        return target.writableEnded || target.write(piece.bytes);
      case 'end':
        target.end();
        return true;
      case 'reset':
        target.resetAndDestroy();
        return true;
    }
  }

  #released(bytes: number): void {
    if (this.#stop.signal.aborted) return;
    this.#heldBytes -= bytes;
    this.#options.budget.give(bytes);
    if (this.#paused) this.#resume();
  }

  #isFull(): boolean {
    return (
      this.#heldBytes >= windowBytes(this.#options.conditions()) ||
      this.#pieces.length >= MAX_PIECES ||
      !this.#options.budget.hasRoom
    );
  }

  #holdBack(): void {
    if (!this.#isFull()) return;
    this.#paused = true;
    this.#options.source.pause();
    if (!this.#options.budget.hasRoom) this.#options.budget.whenRoom(this.#resume);
  }

  readonly #resume = (): void => {
    if (this.#stop.signal.aborted) return;
    if (this.#isFull()) {
      if (!this.#options.budget.hasRoom) this.#options.budget.whenRoom(this.#resume);
      return;
    }
    this.#paused = false;
    this.#options.source.resume();
  };
}

/** Rate × delay: what is under way when the line is full; never less than one read of a socket. */
function windowBytes({ delayMs, jitterMs, bytesPerSecond }: PathConditions): number {
  if (bytesPerSecond === null) return MAX_WINDOW_BYTES;
  const underWay = (bytesPerSecond * (delayMs + jitterMs)) / 1_000;
  return Math.min(MAX_WINDOW_BYTES, MIN_WINDOW_BYTES + underWay);
}

function pieceBytes(bytesPerSecond: number | null): number {
  if (bytesPerSecond === null) return MAX_WINDOW_BYTES;
  return Math.max(MIN_PIECE_BYTES, Math.floor((bytesPerSecond * PIECE_MS) / 1_000));
}

/** Resolves when the socket takes bytes again or never will. */
function drained(target: Socket, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      target.off('drain', done);
      target.off('close', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    target.once('drain', done);
    target.once('close', done);
    signal.addEventListener('abort', done, { once: true });
  });
}
