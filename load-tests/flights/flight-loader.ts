import type { Clock, MonotonicClock } from '@featuremesh/runtime/clock';
import type { Timer } from '@featuremesh/runtime/timer';
import type { RowSender } from '../mesh/row-sender.ts';
import { FlightRowBuilder, LONGEST_WINDOW_MS } from './flight-rows.ts';
import type { Airport, FlightSource } from './flight-source.ts';
import { FlightWriter } from './flight-writer.ts';
import { type LoaderEvent, ProgressMeter } from './loader-events.ts';
import type { LoaderState } from './loader-state.ts';
import { PageReader } from './page-reader.ts';
import { eventTimeAtPaceMs, eventTimesMs, offsetToNow, type Stretch, spokenOffset } from './timeline.ts';

/** Flights of one block: ten chunks of the write path, and little to send again after a restart. */
const BLOCK_FLIGHTS = 5_120;
/** The demo is usable from this many flights on. */
const READY_FLIGHTS = 20_000;
/** A load that ended longer ago is anchored anew: half a day, after which a good part of the values is stale. */
const REANCHOR_AFTER_MS = 12 * 3_600_000;
/** How much of the flights is loaded again then: as far back as `maxAge` lets a value be served. */
const REANCHOR_MS = 36 * 3_600_000;
/** How often the stream lets due flights go. */
const STREAM_TICK_MS = 200;
/** How long flights that were let go may take to be accepted once the stream ends: no later start sends them. */
const STOP_GRACE_MS = 3_000;
/** A stream that is later than this (the machine slept) goes on from now instead of catching up. */
const MAX_STREAM_DELAY_MS = 60_000;
/** Flights counted again at a start besides those of the last day, so that routes with few flights have their twenty. */
const WARM_UP_FLIGHTS = 300_000;
/** Stretches kept for the windows: the day of a loader that is restarted every few minutes. */
const MAX_STRETCHES = 200;

/** What a loader works with. `save` keeps the state for the next start; `report` tells the launcher. */
export interface FlightLoaderOptions {
  readonly source: FlightSource;
  readonly airports: readonly Airport[];
  readonly sides: { readonly east: RowSender; readonly west: RowSender };
  readonly rows: number;
  readonly flightsPerS: number;
  readonly clock: Clock & MonotonicClock;
  readonly timer: Timer;
  readonly save: (state: LoaderState) => void;
  readonly report: (event: LoaderEvent) => void;
  /** Resolves when what is accepted can be read everywhere; called once, before `ready`. */
  readonly whenReadable: () => Promise<readonly string[]>;
}

/** Replays flights into a mesh: first a load that ends now, then a stream that goes on in real time. */
export class FlightLoader {
  readonly #options: FlightLoaderOptions;
  readonly #meter: ProgressMeter;
  readonly #signal: AbortSignal;
  readonly #pages: PageReader;
  #state: LoaderState;
  #builder: FlightRowBuilder;
  #ready: Promise<void> | undefined;

  /** Goes on from `state`; a new one comes from `firstState`. */
  constructor(options: FlightLoaderOptions, state: LoaderState, signal: AbortSignal) {
    this.#options = options;
    this.#state = state;
    this.#signal = signal;
    this.#pages = new PageReader(options.source);
    this.#meter = new ProgressMeter(options.report, () => options.clock.monotonicMs());
    this.#builder = this.#newBuilder();
  }

  /** The state before anything is loaded: `rows` flights, of which the last has the created time now. */
  static async firstState(
    options: Pick<FlightLoaderOptions, 'source' | 'rows' | 'clock'>,
    made: { readonly loadId: string; readonly publicationDelayMs: number },
  ): Promise<LoaderState> {
    const end = Math.min(options.rows, options.source.total);
    const offsetMs = await offsetOf(options, end, made.publicationDelayMs);
    return {
      version: 1,
      ...made,
      profilesWritten: false,
      stretches: [{ kind: 'shift', first: 0, end, offsetMs }],
      next: 0,
      lastEventMs: null,
    };
  }

  /** Loads what is missing, anchors anew where the last start was long ago, then streams until the signal aborts. */
  async run(): Promise<void> {
    if (this.#isUsable(this.#state.next) && (this.#isLoading() || this.#ageMs() <= REANCHOR_AFTER_MS))
      this.#becomeReady();
    await this.#warmUp();
    await this.#finishLoad('flights');
    if (this.#ageMs() > REANCHOR_AFTER_MS) {
      await this.#anchorAnew();
      await this.#finishLoad('flights of the last 36 h, anew');
    }
    await this.#untilReady();
    await this.#stream();
  }

  #isLoading(): boolean {
    const stretch = this.#state.stretches.at(-1);
    return stretch?.kind === 'shift' && this.#state.next < stretch.end;
  }

  /** How long ago the newest event was published. */
  #ageMs(): number {
    const { lastEventMs, publicationDelayMs } = this.#state;
    return this.#options.clock.nowMs() - publicationDelayMs - (lastEventMs ?? Number.POSITIVE_INFINITY);
  }

  /** Part of the idempotency keys of this run: a later run may send a block again with other rolling values, as new rows. */
  #runId(): string {
    return `${this.#state.loadId}-${this.#options.clock.nowMs()}`;
  }

  #newBuilder(): FlightRowBuilder {
    return new FlightRowBuilder(this.#options.airports, this.#state.publicationDelayMs);
  }

  #keep(change: Partial<LoaderState>): void {
    this.#state = { ...this.#state, ...change };
    this.#options.save(this.#state);
  }

  /** Counts flights that were accepted before this start, so that windows and routes go on as if nothing had been. */
  async #warmUp(): Promise<void> {
    const { stretches, lastEventMs, next } = this.#state;
    if (lastEventMs === null) return;
    const ranges: { stretch: Stretch; first: number; end: number }[] = [];
    let wanted = WARM_UP_FLIGHTS;
    for (const [i, stretch] of [...stretches.entries()].toReversed()) {
      const following = stretches[i + 1];
      const end = following === undefined ? next : following.first;
      const inDay = await this.#firstSince(stretch, lastEventMs - LONGEST_WINDOW_MS);
      const first = Math.min(inDay, Math.max(stretch.first, end - wanted));
      if (first >= end) continue;
      ranges.unshift({ stretch, first, end });
      wanted = Math.max(0, wanted - (end - first));
    }
    for (const { stretch, first, end } of ranges) {
      for (let at = first; at < end && !this.#signal.aborted; ) {
        const page = await this.#pages.read(at, Math.min(BLOCK_FLIGHTS, end - at));
        this.#builder.count(page, eventTimesMs(stretch, page, at));
        at += page.count;
      }
    }
  }

  async #firstSince(stretch: Stretch, sinceMs: number): Promise<number> {
    if (stretch.kind === 'pace')
      return stretch.first + Math.max(0, Math.ceil((sinceMs - stretch.startMs) / stretch.intervalMs));
    return Math.max(stretch.first, await this.#options.source.firstAtOrAfter(sinceMs - stretch.offsetMs));
  }

  async #anchorAnew(): Promise<void> {
    const { source } = this.#options;
    const { next, publicationDelayMs } = this.#state;
    const end = ((next - 1) % source.total) + 1;
    const offsetMs = await offsetOf(this.#options, end, publicationDelayMs);
    const first = await source.firstAtOrAfter(
      this.#options.clock.nowMs() - publicationDelayMs - offsetMs - REANCHOR_MS,
    );
    this.#builder = this.#newBuilder();
    this.#keep({ stretches: [{ kind: 'shift', first, end, offsetMs }], next: first });
  }

  async #finishLoad(phase: string): Promise<void> {
    const stretch = this.#state.stretches.at(-1);
    if (stretch?.kind !== 'shift' || !this.#isLoading()) return;
    const { clock, report, sides } = this.#options;
    report({ event: 'offset', offsetMs: stretch.offsetMs, text: offsetText(stretch.offsetMs) });
    const startedMs = clock.monotonicMs();
    const firstNow = this.#state.next;
    const total = stretch.end - stretch.first;
    const writer = new FlightWriter({
      sides,
      loadId: this.#runId(),
      signal: this.#signal,
      onAccepted: ({ end, lastEventMs }) => {
        this.#keep({ next: end, lastEventMs: Math.max(lastEventMs, this.#state.lastEventMs ?? lastEventMs) });
        this.#meter.tick(phase, end - stretch.first, total);
        if (this.#isUsable(end)) this.#becomeReady();
      },
    });
    this.#meter.begin(firstNow - stretch.first);
    for (let at = firstNow; at < stretch.end; ) {
      const page = await this.#pages.read(at, Math.min(BLOCK_FLIGHTS, stretch.end - at));
      const timesMs = eventTimesMs(stretch, page, at);
      const block = { first: at, end: at + page.count, lastEventMs: timesMs.at(-1) ?? 0 };
      await writer.write(this.#builder.rows(page, timesMs), block);
      at += page.count;
      if (this.#ready === undefined && this.#isUsable(at)) {
        // Whoever waits for a usable demo does not wait for more than that.
        await writer.settle();
        await this.#untilReady();
      }
    }
    await writer.settle();
    const seconds = (clock.monotonicMs() - startedMs) / 1_000;
    report({
      event: 'loaded',
      flights: stretch.end - firstNow,
      rows: writer.rows,
      seconds: Math.round(seconds * 10) / 10,
      rowsPerS: Math.round(writer.rows / seconds),
      retries: sides.east.retries + sides.west.retries,
    });
  }

  /** Whether the demo can be used when all flights before this one are accepted. */
  #isUsable(end: number): boolean {
    const [first] = this.#state.stretches;
    return first?.kind !== 'shift' || end >= Math.min(first.first + READY_FLIGHTS, first.end);
  }

  async #untilReady(): Promise<void> {
    this.#becomeReady();
    await this.#ready;
  }

  #becomeReady(): void {
    this.#ready ??= this.#options.whenReadable().then(regions => {
      if (!this.#signal.aborted) this.#options.report({ event: 'ready', regions });
    });
    // Awaited before the stream; a failure while the load goes on must not end the process unseen.
    this.#ready.catch(() => {});
  }

  /** Lets the following flights go, each with event time now − publication delay, until the signal aborts. */
  async #stream(): Promise<void> {
    const { clock, timer, report, sides, flightsPerS } = this.#options;
    const writer = new FlightWriter({ sides, loadId: this.#runId(), onAccepted: () => {} });
    let pace = this.#newPace();
    report({ event: 'streaming', flightsPerS });
    let noted = 0;
    try {
      while (!this.#signal.aborted) {
        const untilMs = clock.nowMs() - this.#state.publicationDelayMs;
        const { next } = this.#state;
        if (untilMs - eventTimeAtPaceMs(pace, next) > MAX_STREAM_DELAY_MS) pace = this.#newPace();
        const due = Math.min(dueFlights(pace, next, untilMs), BLOCK_FLIGHTS);
        if (due > 0) {
          const page = await this.#pages.read(next, due);
          const end = next + page.count;
          const timesMs = eventTimesMs(pace, page, next);
          writer.offer(this.#builder.rows(page, timesMs), { first: next, end });
          this.#keep({ next: end, lastEventMs: timesMs.at(-1) ?? this.#state.lastEventMs });
        }
        if (writer.missed > noted) {
          noted = writer.missed;
          report({
            event: 'note',
            text: `${noted} rows of the stream were left out: a region does not answer`,
          });
        }
        await timer.sleep(STREAM_TICK_MS, this.#signal);
        writer.throwIfFailed();
      }
    } finally {
      await writer.finish(timer, STOP_GRACE_MS);
    }
  }

  #newPace(): Stretch & { kind: 'pace' } {
    const { clock, flightsPerS } = this.#options;
    const { lastEventMs, publicationDelayMs, next, stretches } = this.#state;
    const intervalMs = 1_000 / flightsPerS;
    const startMs = Math.max(clock.nowMs() - publicationDelayMs, lastEventMs ?? 0) + intervalMs;
    const pace = { kind: 'pace', first: next, startMs, intervalMs } as const;
    const sinceMs = startMs - LONGEST_WINDOW_MS;
    // A stretch whose successor began before the window has nothing left in it.
    const kept = stretches.filter((_, i) => startOf(stretches[i + 1], Number.POSITIVE_INFINITY) > sinceMs);
    this.#keep({ stretches: [...kept, pace].slice(-MAX_STRETCHES) });
    return pace;
  }
}

/** Event time from which a stretch counts; a load has no bound of its own. */
function startOf(stretch: Stretch | undefined, otherwise: number): number {
  return stretch?.kind === 'pace' ? stretch.startMs : otherwise;
}

/** How many flights from `next` on have an event time up to `untilMs`. */
function dueFlights(pace: Stretch & { kind: 'pace' }, next: number, untilMs: number): number {
  return Math.max(0, Math.floor((untilMs - pace.startMs) / pace.intervalMs) + pace.first + 1 - next);
}

async function offsetOf(
  { source, clock }: Pick<FlightLoaderOptions, 'source' | 'clock'>,
  end: number,
  publicationDelayMs: number,
): Promise<number> {
  const last = await source.page(end - 1, 1);
  return offsetToNow(last.leftMs[0] ?? 0, { nowMs: clock.nowMs(), publicationDelayMs });
}

function offsetText(offsetMs: number): string {
  return `Flights of 2001, replayed with event times ${spokenOffset(offsetMs)} later`;
}
