import type { Timer } from '@featuremesh/runtime/timer';
import type { RowBatch, RowSender, SentBatch } from '../mesh/row-sender.ts';
import type { FlightRows } from './flight-rows.ts';

/** Blocks that may be under way at once: one is built while the regions write the others. */
const MAX_BLOCKS_IN_FLIGHT = 4;
/** Requests of the stream that one region may leave unanswered before it misses rows. */
const MAX_STREAM_REQUESTS_IN_FLIGHT = 16;

/** The regions that take flights, by the side on which a flight begins. */
export interface Sides {
  readonly east: RowSender;
  readonly west: RowSender;
}

/** Writes blocks of flights, several at once, and says up to where all are accepted. */
export class FlightWriter {
  readonly #sides: Sides;
  readonly #loadId: string;
  readonly #signal: AbortSignal;
  readonly #onAccepted: (block: { readonly end: number; readonly lastEventMs: number }) => void;
  readonly #failure = new AbortController();
  readonly #blocks: { readonly end: number; readonly lastEventMs: number; done: boolean }[] = [];
  readonly #unanswered = new Map<RowSender, number>();
  readonly #running = new Set<Promise<void>>();
  #rows = 0;
  #missed = 0;

  constructor(options: {
    readonly sides: Sides;
    readonly loadId: string;
    /** Gives up at once what is under way. */
    readonly signal?: AbortSignal;
    /** Called in order, when a block and all before it are accepted. */
    readonly onAccepted: (block: { readonly end: number; readonly lastEventMs: number }) => void;
  }) {
    this.#sides = options.sides;
    this.#loadId = options.loadId;
    const { signal } = options;
    this.#signal =
      signal === undefined ? this.#failure.signal : AbortSignal.any([signal, this.#failure.signal]);
    this.#onAccepted = options.onAccepted;
  }

  /** Rows accepted so far. */
  get rows(): number {
    return this.#rows;
  }

  /** Rows of the stream that a region which was away did not get; each later row of the same key makes up for them. */
  get missed(): number {
    return this.#missed;
  }

  /** Takes a block; resolves when there is room for the next. Throws what made an earlier block fail. */
  async write(
    rows: FlightRows,
    block: { readonly first: number; readonly end: number; readonly lastEventMs: number },
  ): Promise<void> {
    this.#signal.throwIfAborted();
    const entry = { end: block.end, lastEventMs: block.lastEventMs, done: false };
    this.#blocks.push(entry);
    const name = `${this.#loadId}-${block.first}-${block.end}`;
    this.#run(
      Promise.all(this.#batches(rows, name).map(batch => this.#send(batch))).then(() => {
        entry.done = true;
        this.#advance();
      }),
    );
    while (this.#blocks.length >= MAX_BLOCKS_IN_FLIGHT) {
      await Promise.race(this.#running);
      // A block that failed never makes room.
      this.#signal.throwIfAborted();
    }
  }

  /** Takes a few flights of the stream without waiting; a region that leaves too many requests unanswered misses them. */
  offer(rows: FlightRows, block: { readonly first: number; readonly end: number }): void {
    const name = `${this.#loadId}-s${block.first}-${block.end}`;
    for (const one of this.#batches(rows, name)) {
      const waiting = this.#unanswered.get(one.sender) ?? 0;
      if (waiting >= MAX_STREAM_REQUESTS_IN_FLIGHT) {
        this.#missed += one.rows;
        continue;
      }
      this.#unanswered.set(one.sender, waiting + 1);
      this.#run(
        this.#send(one).finally(() =>
          this.#unanswered.set(one.sender, (this.#unanswered.get(one.sender) ?? 1) - 1),
        ),
      );
    }
  }

  /** Throws what made a batch fail, if one did. */
  throwIfFailed(): void {
    if (this.#failure.signal.aborted) throw this.#failure.signal.reason;
  }

  /** Resolves when all that was taken is accepted. Throws what made one fail. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.race(this.#running);
    this.#signal.throwIfAborted();
  }

  /** Resolves when all that was taken is accepted, or has failed, or was given up after `ms`. */
  async finish(timer: Timer, ms: number): Promise<void> {
    const settled = new AbortController();
    const over = timer.sleep(ms, settled.signal);
    await Promise.race([this.settle().catch(() => undefined), over]);
    settled.abort();
    this.#failure.abort();
  }

  #run(work: Promise<void>): void {
    const guarded = work
      .catch((error: unknown) => this.#failure.abort(error))
      .finally(() => this.#running.delete(guarded));
    this.#running.add(guarded);
  }

  async #send(one: { sender: RowSender; batch: RowBatch }): Promise<void> {
    const sent: SentBatch = await one.sender.send(one.batch, this.#signal);
    this.#rows += sent.accepted + sent.duplicates;
  }

  #batches(rows: FlightRows, name: string): { sender: RowSender; rows: number; batch: RowBatch }[] {
    return (['east', 'west'] as const).flatMap(side => {
      const { flights, delays, routes } = rows[side];
      if (flights === 0) return [];
      const sender = this.#sides[side];
      // The name is unique within a group of a region, which is all that an idempotency key is compared with.
      const batch = (group: string, ndjson: string): RowBatch => ({ group, ndjson, idempotencyKey: name });
      return [
        { sender, rows: flights, batch: batch('us-east-1/airport_delays', delays) },
        { sender, rows: flights, batch: batch('us-east-1/route_delays', routes) },
      ];
    });
  }

  #advance(): void {
    for (let first = this.#blocks[0]; first?.done === true; first = this.#blocks[0]) {
      this.#blocks.shift();
      this.#onAccepted(first);
    }
  }
}
