import { SingleBar } from 'cli-progress';
import type { LoaderEvent, LoaderProgress } from './loader-protocol.ts';

/** Without a terminal a line is printed each time this share of the rows is passed. */
const LINE_EVERY = 0.1;

/** Shows what the launcher does: lines, and on a terminal a bar for the load. */
export class ProgressView {
  readonly #out: NodeJS.WriteStream;
  #bar: SingleBar | undefined;
  #lastShare = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** One line, above the bar where there is one. */
  line(text: string): void {
    if (this.#bar !== undefined) this.#out.write('\r\u001b[K');
    this.#out.write(`${text}\n`);
  }

  /** What the demo loader says. */
  loader(event: LoaderEvent): void {
    switch (event.event) {
      case 'progress':
        this.#progress(event);
        return;
      case 'offset':
      case 'note':
        this.line(event.text);
        return;
      case 'ready':
        return;
      case 'loaded':
        this.close();
        this.line(
          `Loaded ${event.flights} flights as ${event.rows} rows in ${event.seconds.toFixed(1)} s (${Math.round(event.rowsPerS)} rows/s)`,
        );
        return;
      case 'streaming':
        this.line('Streaming the following flights as they would depart now');
        return;
    }
  }

  /** Takes the bar away. */
  close(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #progress(event: LoaderProgress): void {
    if (this.#out.isTTY !== true) {
      const share = event.totalRows === 0 ? 1 : event.rows / event.totalRows;
      if (share - this.#lastShare < LINE_EVERY) return;
      this.#lastShare = share;
      this.line(
        `  ${event.phase}: ${event.rows} of ${event.totalRows} (${Math.round(event.rowsPerS)} rows/s)`,
      );
      return;
    }
    if (this.#bar === undefined) {
      this.#bar = new SingleBar({
        format: '  {phase} {bar} {percentage}% | {value}/{total} | {rate} rows/s | {eta_formatted}',
        hideCursor: true,
        stream: this.#out,
      });
      this.#bar.start(event.totalRows, event.rows, { phase: event.phase, rate: 0 });
    }
    this.#bar.setTotal(event.totalRows);
    this.#bar.update(event.rows, { phase: event.phase, rate: Math.round(event.rowsPerS) });
  }
}
