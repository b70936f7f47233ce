import Table from 'cli-table3';

/** Where a command writes: results to `out`, everything that is not the result to `err`. */
export class Output {
  readonly json: boolean;
  readonly #out: NodeJS.WritableStream;
  readonly #err: NodeJS.WritableStream & { isTTY?: boolean };

  constructor(options: { json: boolean; out: NodeJS.WritableStream; err: NodeJS.WritableStream }) {
    this.json = options.json;
    this.#out = options.out;
    this.#err = options.err;
  }

  /** Whether a person watches: progress bars are drawn only then. */
  get interactive(): boolean {
    return !this.json && this.#err.isTTY === true;
  }

  /** The result of a command: as JSON with `--json`, else what `human` makes of it. */
  result(value: unknown, human: () => string): void {
    this.#out.write(`${this.json ? JSON.stringify(value, undefined, 2) : human()}\n`);
  }

  /** A remark on stderr; left out with `--json`. */
  note(text: string): void {
    if (!this.json) this.#err.write(`${text}\n`);
  }

  /** An error on stderr, also with `--json`. */
  error(text: string): void {
    this.#err.write(`${text}\n`);
  }
}

/** A plain table without rules between rows, so that it can be cut with standard tools. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const none = {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  };
  const drawn = new Table({
    head: [...head],
    chars: none,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) drawn.push([...row]);
  return drawn
    .toString()
    .split('\n')
    .map(line => line.trimEnd())
    .join('\n');
}
