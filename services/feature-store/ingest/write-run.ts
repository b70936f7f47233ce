import type { Hash } from 'node:crypto';
import { ERRORS, type ErrorCode } from '@featuremesh/domain/error-catalogue';
import { chunkBytes } from '@featuremesh/domain/feed-chunk';
import { MAX_CHUNK_ROWS, MAX_LISTED_REJECTIONS } from '@featuremesh/domain/limits';
import { formatPosition, type Position } from '@featuremesh/domain/position';
import { type Problem, ProblemError, problem } from '@featuremesh/domain/problem';
import type { Result } from '@featuremesh/domain/result';
import type { StoredRow } from '../ports/online-store.ts';
import { MAX_REQUEST_CHUNKS_IN_FLIGHT } from './ingest-limits.ts';
import type { Rejection, WriteSummary } from './write-command.ts';

/** One chunk as it is handed over for writing. */
export interface OutgoingChunk {
  readonly ordinal: number;
  /** Size of the rows once encoded by `domain/feed-chunk`. */
  readonly bytes: number;
  /** The good ones; may be none. */
  readonly rows: readonly StoredRow[];
  /** Where each row stands in the chunk; lines that are no rows leave gaps. */
  readonly offsets: readonly number[];
  /** With indices that count from the chunk's first row. */
  readonly rejected: readonly Rejection[];
  /** Of the caller's rows, where the write is keyed. */
  readonly bodyHash: string | undefined;
}

/** What became of a chunk. */
export interface WrittenChunk {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: readonly Rejection[];
  readonly position: Position | undefined;
  readonly online: 'APPLIED' | 'PENDING';
}

/** What a run of one request needs: where chunks go, and how the hash of a keyed chunk begins. */
export interface WriteRunOptions {
  readonly send: (chunk: OutgoingChunk) => Promise<WrittenChunk>;
  /** A fresh hash per chunk (streams), one hash for all chunks (JSON), or none (no key). */
  readonly hashing: (() => Hash) | string | undefined;
}

/**
 * One write request: cuts its rows into chunks by count, keeps a bounded number of them in flight, and sums up what became of them.
 * A chunk that fails rejects its rows and all that were not sent by then; what was accepted stays in the answer.
 */
export class WriteRun {
  readonly #options: WriteRunOptions;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #rejected: Rejection[] = [];
  #rows: StoredRow[] = [];
  #offsets: number[] = [];
  #faults: Rejection[] = [];
  #hash: Hash | undefined;
  #index = 0;
  #ordinal = 0;
  #accepted = 0;
  #duplicates = 0;
  #rejectedTotal = 0;
  #position: Position | undefined;
  #online: 'APPLIED' | 'PENDING' = 'APPLIED';
  #failure: { readonly cause: unknown; readonly problem: Problem } | undefined;

  constructor(options: WriteRunOptions) {
    this.#options = options;
  }

  /** True after a failure: further rows need not be built, since they are refused with its problem. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** True where `flush` must be awaited before the next row. */
  get isChunkFull(): boolean {
    return this.#index >= (this.#ordinal + 1) * MAX_CHUNK_ROWS;
  }

  /** Adds the next row, or what is wrong with it. `source` is hashed where the chunk is keyed and streamed. */
  add(row: Result<StoredRow>, source?: string): void {
    this.#hashSource(source);
    const offset = this.#index++ - this.#ordinal * MAX_CHUNK_ROWS;
    if (row.ok) {
      this.#rows.push(row.value);
      this.#offsets.push(offset);
    } else this.#faults.push(rejection(offset, row.problem));
  }

  /** Counts a line that is no row. */
  skip(source?: string): void {
    this.#hashSource(source);
    this.#index++;
  }

  /** Counts a row that is not looked at because the request has failed. */
  refuse(): void {
    if (this.#failure === undefined) return;
    this.#note(rejection(this.#index++, this.#failure.problem));
  }

  /** Fails the request for a reason that no chunk met: rows not yet sent are refused with it. */
  fail(cause: unknown): void {
    this.#failure ??= { cause, problem: problemOf(cause) };
  }

  /** Hands the chunk over; resolves when the request may hold another one. */
  async flush(): Promise<void> {
    const { hashing } = this.#options;
    const rows = this.#rows;
    const rejected = this.#faults;
    const chunk: OutgoingChunk = {
      ordinal: this.#ordinal++,
      bytes: chunkBytes(rows),
      rows,
      offsets: this.#offsets,
      rejected,
      bodyHash: typeof hashing === 'string' ? hashing : this.#hash?.digest('base64url'),
    };
    this.#rows = [];
    this.#offsets = [];
    this.#faults = [];
    this.#hash = undefined;
    const sending: Promise<void> = this.#send(chunk).finally(() => this.#inFlight.delete(sending));
    this.#inFlight.add(sending);
    if (this.#inFlight.size >= MAX_REQUEST_CHUNKS_IN_FLIGHT) await Promise.race(this.#inFlight);
  }

  /** True where a row of the chunk under way was rejected. */
  get hasFaults(): boolean {
    return this.#faults.length > 0;
  }

  /** Writes the last chunk and sums up. Throws what failed where nothing at all was accepted. */
  async finish(): Promise<WriteSummary> {
    if (this.#index > this.#ordinal * MAX_CHUNK_ROWS) await this.flush();
    await Promise.all(this.#inFlight);
    if (this.#failure !== undefined && this.#accepted + this.#duplicates === 0) throw this.#failure.cause;
    return this.summary();
  }

  /** The answer as it stands. */
  summary(): WriteSummary {
    return {
      accepted: this.#accepted,
      duplicates: this.#duplicates,
      rejectedTotal: this.#rejectedTotal,
      rejected: this.#rejected.toSorted((a, b) => a.index - b.index).slice(0, MAX_LISTED_REJECTIONS),
      position: this.#position === undefined ? null : formatPosition(this.#position),
      online: this.#online,
    };
  }

  /** Ends an atomic write without writing anything: every good row is left out, the faults are the answer. */
  abandon(): WriteSummary {
    for (const fault of this.#faults) this.#note(fault);
    this.#faults = [];
    this.#rows = [];
    return this.summary();
  }

  async #send(chunk: OutgoingChunk): Promise<void> {
    const first = chunk.ordinal * MAX_CHUNK_ROWS;
    try {
      if (this.#failure !== undefined) throw this.#failure.cause;
      const written = await this.#options.send(chunk);
      this.#accepted += written.accepted;
      this.#duplicates += written.duplicates;
      if (written.online === 'PENDING') this.#online = 'PENDING';
      if (written.position !== undefined && written.position.sequence > (this.#position?.sequence ?? 0))
        this.#position = written.position;
      for (const fault of written.rejected) this.#note({ ...fault, index: first + fault.index });
    } catch (cause) {
      this.fail(cause);
      this.#refuseChunk(chunk, this.#failure?.problem ?? problemOf(cause));
    }
  }

  /** Every row of the chunk is rejected: the bad ones for what they are, the others for what failed. */
  #refuseChunk({ ordinal, offsets, rejected }: OutgoingChunk, reason: Problem): void {
    const first = ordinal * MAX_CHUNK_ROWS;
    for (const fault of rejected) this.#note({ ...fault, index: first + fault.index });
    for (const offset of offsets) this.#note(rejection(first + offset, reason));
  }

  #hashSource(source: string | undefined): void {
    if (typeof this.#options.hashing !== 'function') return;
    this.#hash ??= this.#options.hashing();
    this.#hash.update(source ?? '').update('\n');
  }

  /** Chunks end in any order; twice the listed number is kept so that the first ones by index are among them at the end. */
  #note(fault: Rejection): void {
    this.#rejectedTotal += 1;
    this.#rejected.push(fault);
    if (this.#rejected.length < 2 * MAX_LISTED_REJECTIONS + MAX_REQUEST_CHUNKS_IN_FLIGHT * MAX_CHUNK_ROWS)
      return;
    this.#rejected.sort((a, b) => a.index - b.index);
    this.#rejected.length = MAX_LISTED_REJECTIONS;
  }
}

function problemOf(error: unknown): Problem {
  return error instanceof ProblemError ? error.problem : problem('INTERNAL', ERRORS.INTERNAL.title);
}

function rejection(index: number, { code, detail, extra }: Problem): Rejection {
  const region = extra?.['region'];
  const publicUrl = extra?.['publicUrl'];
  return {
    index,
    code: code satisfies ErrorCode,
    message: detail,
    ...(typeof region === 'string' ? { region } : {}),
    ...(typeof publicUrl === 'string' ? { publicUrl } : {}),
  };
}
