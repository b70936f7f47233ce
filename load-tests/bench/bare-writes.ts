import type { BareRow } from '../adapters/lmdb/bare-table.ts';

/** From so many rows on a request is appended by itself, beside others; smaller ones share a message, as in a region. */
const OWN_MESSAGE_ROWS = 100;

/** The log and the table that bare writes go to. */
export interface BareParts {
  append(body: Uint8Array): Promise<void>;
  put(rows: readonly BareRow[]): Promise<void>;
}

interface Waiting {
  readonly rows: BareRow[];
  readonly begin: () => void;
  readonly stored: Promise<void>;
}

/** Appends rows to the log, then writes them into the table; while one message is on its way, what comes gathers for the next. */
export class BareWrites {
  readonly #parts: BareParts;
  #next: Waiting | undefined;
  #isAppending = false;

  constructor(parts: BareParts) {
    this.#parts = parts;
  }

  /** Resolves when the rows are in the log and can be read. */
  async write(rows: readonly BareRow[]): Promise<void> {
    if (rows.length >= OWN_MESSAGE_ROWS) {
      await this.#parts.append(Buffer.concat(rows.map(({ bytes }) => bytes)));
      await this.#parts.put(rows);
      return;
    }
    this.#next ??= this.#open();
    this.#next.rows.push(...rows);
    const { stored } = this.#next;
    this.#begin();
    await stored;
  }

  #open(): Waiting {
    const rows: BareRow[] = [];
    let begin = (): void => undefined;
    const begun = new Promise<void>(resolve => {
      begin = resolve;
    });
    return { rows, begin, stored: begun.then(() => this.#store(rows)) };
  }

  #begin(): void {
    const next = this.#next;
    if (this.#isAppending || next === undefined) return;
    this.#isAppending = true;
    this.#next = undefined;
    next.begin();
  }

  async #store(rows: readonly BareRow[]): Promise<void> {
    try {
      await this.#parts.append(Buffer.concat(rows.map(({ bytes }) => bytes)));
    } finally {
      this.#isAppending = false;
      this.#begin();
    }
    await this.#parts.put(rows);
  }
}
