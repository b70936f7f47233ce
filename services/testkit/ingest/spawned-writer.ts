import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { WriterArguments } from './writer-batches.ts';

const SCRIPT = fileURLToPath(new URL('./writer-process.ts', import.meta.url));

/** A writer process and what it has acknowledged. */
export class SpawnedWriter {
  /** Batch number → position token. */
  readonly acknowledged = new Map<number, string>();
  /** First row's hash → rows, of every step that it issued to the store. */
  readonly issued = new Map<string, number>();
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #waiting: {
    readonly until: () => boolean;
    readonly resolve: () => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  #text = '';
  #isReady = false;
  #hasEnded = false;

  constructor(given: WriterArguments) {
    const child = spawn(process.execPath, [SCRIPT, JSON.stringify(given)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    child.stdout.on('data', bytes => this.#read(String(bytes)));
    this.#ended = new Promise(resolve => {
      child.once('close', () => {
        this.#hasEnded = true;
        this.#wake();
        resolve();
      });
    });
  }

  /** Resolves once the process owns its slot. */
  ready(): Promise<void> {
    return this.#when(() => this.#isReady);
  }

  /** Resolves once so many batches are acknowledged. */
  acknowledges(batches: number): Promise<void> {
    return this.#when(() => this.acknowledged.size >= batches);
  }

  /** Resolves when the process has ended by itself and all that it printed is read. */
  ended(): Promise<void> {
    return this.#ended;
  }

  /** `kill -9`; resolves when nothing of it runs and all that it printed is read. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Stops and continues the process as a machine that hangs does. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  /** See `freeze`. */
  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  #when(until: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ until, resolve, reject });
      this.#wake();
    });
  }

  #read(text: string): void {
    this.#text += text;
    const lines = this.#text.split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) {
      const [word, batch, position] = line.split(' ');
      if (word === 'ready') this.#isReady = true;
      if (word === 'issue') this.issued.set(position ?? '', Number(batch));
      if (word === 'ack') this.acknowledged.set(Number(batch), position ?? '');
    }
    this.#wake();
  }

  #wake(): void {
    for (const waiting of this.#waiting.splice(0)) {
      if (waiting.until()) waiting.resolve();
      else if (this.#hasEnded) waiting.reject(new Error('the writer ended'));
      else this.#waiting.push(waiting);
    }
  }
}
