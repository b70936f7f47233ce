import { ProblemError, problem } from '@featuremesh/domain/problem';
import { type IngestLimits, LEAST_CHUNK_ROWS, OVERLOADED_RETRY_MS } from './ingest-limits.ts';

/** What a chunk holds. */
interface ChunkSize {
  readonly rows: number;
  readonly bytes: number;
}

interface Waiter extends ChunkSize {
  readonly enter: () => void;
}

/**
 * Bounds the work in flight of one process over all requests, in rows and in bytes. New requests are refused at the bound; a
 * request that was admitted waits in turn, so that a stream is slowed down instead of broken off.
 */
export class ChunkGate {
  readonly #limits: IngestLimits;
  readonly #waiting: Waiter[] = [];
  #chunks = 0;
  #rows = 0;
  #chunkBytes = 0;
  #admittedBytes = 0;

  constructor(limits: IngestLimits) {
    this.#limits = limits;
  }

  /** Chunks in flight. */
  get chunks(): number {
    return this.#chunks;
  }

  /** Admits a request that holds `bytes`; call the result once when it ends. Throws a ProblemError OVERLOADED at the bound. */
  admit(bytes: number): () => void {
    const { maxRowsInFlight, maxBytesInFlight } = this.#limits;
    const overflows = this.#admittedBytes > 0 && this.#admittedBytes + bytes > maxBytesInFlight;
    if (this.#waiting.length > 0 || this.#rows >= maxRowsInFlight || overflows)
      throw new ProblemError(
        problem('OVERLOADED', 'the region has as many writes in flight as it may', {
          extra: { retryAfterMs: OVERLOADED_RETRY_MS },
        }),
      );
    this.#admittedBytes += bytes;
    return this.#once(() => {
      this.#admittedBytes -= bytes;
    });
  }

  /** Waits in turn for room for one chunk of an admitted request; call the result when the chunk is applied or failed. */
  async enter({ rows, bytes }: ChunkSize): Promise<() => void> {
    const size = { rows: Math.max(rows, LEAST_CHUNK_ROWS), bytes };
    if (this.#waiting.length > 0 || !this.#hasRoom(size))
      await new Promise<void>(enter => this.#waiting.push({ ...size, enter }));
    else this.#take(size);
    return this.#once(() => {
      this.#chunks -= 1;
      this.#rows -= size.rows;
      this.#chunkBytes -= bytes;
    });
  }

  #once(leave: () => void): () => void {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      leave();
      this.#letIn();
    };
  }

  #letIn(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#hasRoom(next); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#take(next);
      next.enter();
    }
  }

  #take({ rows, bytes }: ChunkSize): void {
    this.#chunks += 1;
    this.#rows += rows;
    this.#chunkBytes += bytes;
  }

  /** One chunk may always go, so that admitted requests cannot hold each other up for ever. */
  #hasRoom({ rows, bytes }: ChunkSize): boolean {
    const { maxRowsInFlight, maxBytesInFlight } = this.#limits;
    const fits = this.#rows + rows <= maxRowsInFlight && this.#chunkBytes + bytes <= maxBytesInFlight;
    return this.#chunks === 0 || fits;
  }
}
