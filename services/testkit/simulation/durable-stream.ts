import { assert } from '@featuremesh/domain/assert';

/** One stored message. */
export interface StreamMessage<T> {
  readonly seq: number;
  readonly subject: string;
  readonly data: T;
  /** True simulated time of the append, ms since the Unix epoch. */
  readonly storedAtMs: number;
}

/**
 * A stored stream of the simulated broker: survives every crash of its clients, numbers messages without gaps, and keeps its last
 * number when messages are removed. `permitted` plays the broker's subject list (R2).
 */
export class DurableStream<T> {
  readonly #messages = new Map<number, StreamMessage<T>>();
  readonly #listeners = new Set<(message: StreamMessage<T>) => void>();
  readonly #ids = new Map<string, number>();
  #lastSeq = 0;
  #firstSeq = 1;
  permitted: (subject: string) => boolean = () => true;

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** First sequence still held; lastSeq + 1 where it is empty. */
  get firstSeq(): number {
    while (this.#firstSeq <= this.#lastSeq && !this.#messages.has(this.#firstSeq)) this.#firstSeq++;
    return this.#firstSeq;
  }

  get size(): number {
    return this.#messages.size;
  }

  /** Stores a message; a message id seen before gives the first sequence. */
  append(
    subject: string,
    data: T,
    options: { storedAtMs: number; id?: string },
  ): { seq: number; duplicate: boolean } {
    assert(this.permitted(subject), `the simulated broker was asked to store ${subject}`);
    const known = options.id === undefined ? undefined : this.#ids.get(options.id);
    if (known !== undefined) return { seq: known, duplicate: true };
    const seq = ++this.#lastSeq;
    if (options.id !== undefined) this.#ids.set(options.id, seq);
    const message = { seq, subject, data, storedAtMs: options.storedAtMs };
    this.#messages.set(seq, message);
    for (const listener of [...this.#listeners]) listener(message);
    return { seq, duplicate: false };
  }

  get(seq: number): StreamMessage<T> | undefined {
    return this.#messages.get(seq);
  }

  /** The next held message above `after` that matches. */
  next(after: number, matches: (subject: string) => boolean = () => true): StreamMessage<T> | undefined {
    for (let seq = Math.max(after + 1, this.firstSeq); seq <= this.#lastSeq; seq++) {
      const message = this.#messages.get(seq);
      if (message !== undefined && matches(message.subject)) return message;
    }
    return undefined;
  }

  /** The last held message that matches. */
  last(matches: (subject: string) => boolean = () => true): StreamMessage<T> | undefined {
    for (let seq = this.#lastSeq; seq >= this.firstSeq; seq--) {
      const message = this.#messages.get(seq);
      if (message !== undefined && matches(message.subject)) return message;
    }
    return undefined;
  }

  /** Changes what is stored, as a bad disk or wire does. */
  corrupt(seq: number, change: (data: T) => T): void {
    const message = this.#messages.get(seq);
    if (message !== undefined) this.#messages.set(seq, { ...message, data: change(message.data) });
  }

  remove(seq: number): void {
    this.#messages.delete(seq);
  }

  /** Removes everything below `seq`, as retention does. */
  trimBelow(seq: number): void {
    for (const held of [...this.#messages.keys()]) if (held < seq) this.#messages.delete(held);
  }

  messages(): readonly StreamMessage<T>[] {
    return [...this.#messages.values()];
  }

  /** Calls `listener` at every append until the returned function is called. */
  onAppend(listener: (message: StreamMessage<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
