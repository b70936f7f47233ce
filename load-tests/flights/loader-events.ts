/** One line of the loader's standard output; infra/local-mesh reads them. */
export type LoaderEvent =
  | { readonly event: 'offset'; readonly offsetMs: number; readonly text: string }
  | {
      readonly event: 'progress';
      readonly phase: string;
      /** Flights accepted so far, of how many. */
      readonly rows: number;
      readonly totalRows: number;
      /** Feature rows a second since this start: two a flight. */
      readonly rowsPerS: number;
    }
  | { readonly event: 'ready'; readonly regions: readonly string[] }
  | ({ readonly event: 'loaded' } & LoadFigures)
  | { readonly event: 'streaming'; readonly flightsPerS: number }
  | { readonly event: 'note'; readonly text: string };

/** What a load came to. `flights` make two rows each; `rows` and `rowsPerS` count feature rows accepted. */
export interface LoadFigures {
  readonly flights: number;
  readonly rows: number;
  readonly seconds: number;
  readonly rowsPerS: number;
  readonly retries: number;
}

const REPORT_EVERY_MS = 250;

/** Each flight makes a row of its airport and one of its route. */
const ROWS_PER_FLIGHT = 2;

/** Passes `progress` on at most four times a second, with the rate since the count began. */
export class ProgressMeter {
  readonly #report: (event: LoaderEvent) => void;
  readonly #nowMs: () => number;
  #startMs = 0;
  #startRows = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(report: (event: LoaderEvent) => void, nowMs: () => number) {
    this.#report = report;
    this.#nowMs = nowMs;
  }

  /** Begins to count a phase, of which `rows` flights are there already. */
  begin(rows: number): void {
    this.#startMs = this.#nowMs();
    this.#startRows = rows;
    this.#lastMs = Number.NEGATIVE_INFINITY;
  }

  /** Says how far a phase is; the last call of a phase is always passed on. */
  tick(phase: string, rows: number, totalRows: number): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#lastMs < REPORT_EVERY_MS && rows < totalRows) return;
    this.#lastMs = nowMs;
    const seconds = Math.max(nowMs - this.#startMs, 1) / 1_000;
    const rowsPerS = Math.round(((rows - this.#startRows) * ROWS_PER_FLIGHT) / seconds);
    this.#report({ event: 'progress', phase, rows, totalRows, rowsPerS });
  }
}
