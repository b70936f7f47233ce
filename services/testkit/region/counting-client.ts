const RETRY_PAUSE_MS = 20;
const READ_KEYS = 500;
const MAX_TOLD = 20;
const START_MS = Date.parse('2026-01-01T00:00:00Z');

interface Answer {
  readonly status: number;
  readonly body: ReturnType<typeof JSON.parse>;
}

/**
 * Writers and readers of one address that keep a log of their own. Each writer repeats a write under its idempotency key until it is
 * answered; readers know what was acknowledged before they asked and say where an answer is older or denies it.
 */
export class CountingClient {
  /** Answers that contradict what was acknowledged; a request that failed is none. */
  readonly wrong: string[] = [];
  readonly #url: string;
  readonly #group: string;
  readonly #name: string;
  readonly #stopped = new AbortController();
  readonly #loops: Promise<void>[] = [];
  /** Key → value of every row that was acknowledged. */
  readonly #log = new Map<string, number>();
  /** Writer → its newest value that was acknowledged as applied. */
  readonly #applied = new Map<number, number>();
  #failures: string[] = [];
  #sentAgain = 0;

  /** `name` tells the rows of one client from those of another. */
  constructor(url: string, group: string, name = 'w') {
    this.#url = url;
    this.#group = group;
    this.#name = name;
  }

  /** Rows acknowledged so far. */
  get acknowledged(): number {
    return this.#log.size;
  }

  /** Requests that failed since the start or the last `forgetFailures`. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  forgetFailures(): void {
    this.#failures = [];
  }

  /** Whether a write is accepted now; it is not counted. */
  async canWrite(): Promise<boolean> {
    const answer = await this.#post(`/v1/groups/${this.#group}/rows`, { rows: [row('probe', 0)] });
    return answer.status === 200;
  }

  /** Begins to write and read, until `stop`. */
  start({ writers, readers }: { writers: number; readers: number }): void {
    for (let writer = 0; writer < writers; writer += 1) this.#loops.push(this.#write(writer));
    for (let reader = 0; reader < readers; reader += 1) this.#loops.push(this.#read(reader % writers));
  }

  /** Resolves when `more` further rows were acknowledged; rejects after half a minute. */
  async acknowledges(more: number): Promise<void> {
    await this.#until(() => this.#log.size, this.#log.size + more);
  }

  /** Resolves when no request that has failed is being repeated. */
  async settled(): Promise<void> {
    await this.#until(() => -this.#sentAgain, 0);
  }

  /** Acknowledged rows that are not there now, or hold another value. */
  async lost(): Promise<readonly string[]> {
    const lost: string[] = [];
    const rows = [...this.#log];
    for (let at = 0; at < rows.length; at += READ_KEYS) {
      const some = rows.slice(at, at + READ_KEYS);
      const { body } = await this.#ask(some.map(([key]) => key));
      const [columns] = body.results?.[0]?.columns ?? [];
      for (const [i, [key, value]] of some.entries())
        if (columns?.[i] !== value) lost.push(`${key}: ${columns?.[i]} instead of ${value}`);
    }
    return lost;
  }

  /** Ends the loops; each finishes the request it is in. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#loops);
  }

  async #write(writer: number): Promise<void> {
    for (let value = 1; !this.#stopped.signal.aborted; value += 1) {
      const key = `${this.#name}${writer}-${value}`;
      const rows = [row(key, value), row(`${this.#name}-newest-${writer}`, value)];
      const path = `/v1/groups/${this.#group}/rows`;
      let failed = false;
      while (!this.#stopped.signal.aborted) {
        const { status, body } = await this.#post(path, { rows }, { 'idempotency-key': key });
        if (status === 200 && body.accepted + body.duplicates === rows.length) {
          this.#log.set(key, value);
          if (body.online === 'APPLIED') this.#applied.set(writer, value);
          break;
        }
        if (!failed) this.#sentAgain += 1;
        failed = true;
        await pause();
      }
      if (failed) this.#sentAgain -= 1;
    }
  }

  async #read(writer: number): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const least = this.#applied.get(writer);
      if (least === undefined) {
        await pause();
        continue;
      }
      const { status, body } = await this.#ask([
        `${this.#name}-newest-${writer}`,
        `${this.#name}${writer}-${least}`,
      ]);
      const result = body?.results?.[0];
      if (status !== 200 || result?.problem !== undefined) {
        await pause();
        continue;
      }
      const [newest, known] = result.columns[0] ?? [];
      if (!(newest >= least) || known !== least)
        this.wrong.push(`${least} was acknowledged, answered: ${JSON.stringify(result)}`);
    }
  }

  #ask(keys: readonly string[]): Promise<Answer> {
    return this.#post('/v1/online/read', { features: [`${this.#group}:mean`], keys: { airport: keys } });
  }

  /** Status 0 where no answer came. */
  async #post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    let answer: Answer;
    try {
      const got = await fetch(`${this.#url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      answer = { status: got.status, body: JSON.parse(await got.text()) };
    } catch (error) {
      answer = { status: 0, body: { code: String(error instanceof Error ? error.cause : error) } };
    }
    if (answer.status !== 200 && this.#failures.length < MAX_TOLD)
      this.#failures.push(`${path}: ${answer.status} ${answer.body.code}`);
    return answer;
  }

  async #until(now: () => number, least: number): Promise<void> {
    const untilMs = Date.now() + 30_000;
    while (now() < least) {
      if (Date.now() > untilMs) throw new Error(`no progress; last failures: ${this.#failures.join(', ')}`);
      await pause();
    }
  }
}

/** Event times rise with the value, so that the greatest value is the winner whoever accepted it. */
function row(airport: string, value: number): unknown {
  const eventTime = new Date(START_MS + value).toISOString();
  return { key: { airport }, eventTime, features: { mean: value } };
}

function pause(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, RETRY_PAUSE_MS));
}
