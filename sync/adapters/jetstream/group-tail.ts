import { ProblemError, problem } from '@featuremesh/domain/problem';
import { FEED_STREAM, feedOwnSubject, parseFeedSubject, TRACE_HEADER } from '@featuremesh/domain/subjects';
import type { Timer } from '@featuremesh/runtime/timer';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import type { FeedChunk, FeedTail } from '../../ports/feed.ts';
import { isMessageMissing } from './broker-errors.ts';

/** Chunks of one group kept ready: enough for two full batches of small chunks while the next ones are read. */
const CHUNKS_AHEAD = 64;
/** Bytes of them: two chunks of the largest size. */
const BYTES_AHEAD = 16 * 1024 * 1024;

/** A batch is read from memory or one file; a broker that takes this long for it is gone. */
const BATCH_TIMEOUT_MS = 5_000;

/** What a tail works with. */
export interface GroupTailOptions {
  readonly manager: JetStreamManager;
  readonly timer: Timer;
  readonly groupId: string;
  /** FEED sequence after which to begin. */
  readonly after: number;
  /** Whether chunks tell their trace contexts. */
  readonly readTraces: boolean;
  readonly onArrival: () => void;
  readonly onClose: (tail: GroupTail) => void;
}

/** One group's own chunks, read from the log one behind the other, a bounded number ahead. */
export class GroupTail implements FeedTail {
  readonly groupId: string;
  readonly #options: GroupTailOptions;
  readonly #filter: string;
  readonly #ready: FeedChunk[] = [];
  #readyBytes = 0;
  /** Last sequence that was read into `#ready`. */
  #readThrough: number;
  /** The look at the log that is under way. */
  #look: Promise<void> | undefined;
  /** The log is known to hold something up to here. */
  #newsThrough = 0;
  /** How often the log's leader was to be asked whether more is there, and the last such question that it answered with no. */
  #asked = 1;
  #settled = 0;
  #closed = false;

  constructor(options: GroupTailOptions) {
    this.#options = options;
    this.groupId = options.groupId;
    this.#filter = feedOwnSubject(options.groupId, 0, 0).replace('.0.own.0', '.*.own.*');
    this.#readThrough = options.after;
  }

  peek(): FeedChunk | undefined {
    return this.#ready[0];
  }

  take(): FeedChunk | undefined {
    const chunk = this.#ready.shift();
    if (chunk === undefined) return undefined;
    this.#readyBytes -= chunk.body.length;
    if (this.#ready.length < CHUNKS_AHEAD / 2 && this.#mayRead()) this.#lookOn();
    return chunk;
  }

  async drained(): Promise<boolean> {
    if (this.#ready.length > 0) return false;
    this.#asked++;
    await this.fill();
    if (this.#mayRead()) await this.fill();
    return this.#ready.length === 0 && !this.#mayHoldMore();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#options.onClose(this);
  }

  /** The log holds a chunk of this group at a sequence; where none is given, it may hold any. */
  noticed(sequence?: number): void {
    if (sequence === undefined) this.#asked++;
    else this.#newsThrough = Math.max(this.#newsThrough, sequence);
    if (this.#mayRead()) this.#lookOn();
  }

  /** Reads ahead as far as the bounds permit; joins a look that is under way. Rejects where the broker does not answer. */
  fill(): Promise<void> {
    this.#look ??= this.#read().finally(() => {
      this.#look = undefined;
    });
    return this.#look;
  }

  /** A look that fails is made again by `drained`, which its exporter asks whenever it has nothing else to do. */
  #lookOn(): void {
    // News that came while a look was at its end was seen by none.
    const again = (): void => {
      if (this.#mayRead()) this.#lookOn();
    };
    this.fill().then(again, () => undefined);
  }

  #mayHoldMore(): boolean {
    return this.#readThrough < this.#newsThrough || this.#settled < this.#asked;
  }

  #mayRead(): boolean {
    const isFull = this.#ready.length >= CHUNKS_AHEAD || this.#readyBytes >= BYTES_AHEAD;
    return !this.#closed && !isFull && this.#mayHoldMore();
  }

  async #read(): Promise<void> {
    let holdsMore = false;
    while (this.#mayRead()) {
      if ((holdsMore || this.#readThrough < this.#newsThrough) && (await this.#readTogether())) continue;
      const { asked, newsThrough } = { asked: this.#asked, newsThrough: this.#newsThrough };
      const message = await this.#next();
      holdsMore = message !== null;
      if (message !== null) {
        this.#accept(message);
        continue;
      }
      // Nothing is there that was known before the question; what was noticed since is not covered by the answer.
      this.#settled = asked;
      this.#readThrough = Math.max(this.#readThrough, newsThrough);
    }
  }

  /**
   * Reads what there is as one answer, raw. True where there was something. A replica that trails may answer, so that nothing here
   * says that the log ends; only its leader does, by `#next`.
   */
  async #readTogether(): Promise<boolean> {
    const messages = await directBatch(this.#options, {
      seq: this.#readThrough + 1,
      next_by_subj: this.#filter,
      batch: CHUNKS_AHEAD - this.#ready.length,
      max_bytes: BYTES_AHEAD - this.#readyBytes,
    });
    if (this.#closed) return false;
    for (const message of messages) this.#accept(message);
    return messages.length > 0;
  }

  #accept(message: StoredMsg): void {
    const subject = parseFeedSubject(message.subject);
    this.#readThrough = message.seq;
    if (subject === undefined) return;
    const traceparent = this.#options.readTraces ? message.header.get(TRACE_HEADER) : '';
    this.#ready.push({
      sequence: message.seq,
      groupId: subject.groupId,
      version: subject.version,
      appender: Number(subject.source),
      body: message.data,
      ...(traceparent === '' ? {} : { traceparent }),
    });
    this.#readyBytes += message.data.length;
    this.#options.onArrival();
  }

  /** The next chunk by the log's leader. */
  #next(): Promise<StoredMsg | null> {
    const query = { seq: this.#readThrough + 1, next_by_subj: this.#filter };
    return this.#options.manager.streams.getMessage(FEED_STREAM, query);
  }
}

/**
 * Messages that the broker sends one behind the other for a single request. Rejects where it refuses or falls silent: a broker that is
 * killed in the middle never says that the answer ended.
 */
async function directBatch(
  { manager, timer }: Pick<GroupTailOptions, 'manager' | 'timer'>,
  query: { seq: number; next_by_subj: string; batch: number; max_bytes: number },
): Promise<StoredMsg[]> {
  const messages: StoredMsg[] = [];
  const answered = new AbortController();
  const { promise, resolve, reject } = Promise.withResolvers<StoredMsg[]>();
  const callback = (done: { err?: Error } | null, message: StoredMsg): void => {
    if (done === null) messages.push(message);
    else if (done.err === undefined || isMessageMissing(done.err)) resolve(messages);
    else reject(done.err);
  };
  const answer = await manager.direct.getBatch(FEED_STREAM, { ...query, callback });
  const silence = timer.sleep(BATCH_TIMEOUT_MS, answered.signal).then(() => {
    if (!answered.signal.aborted)
      reject(new ProblemError(problem('LOG_UNAVAILABLE', 'the log fell silent in the middle of an answer')));
  });
  try {
    return await promise;
  } finally {
    answered.abort();
    answer.stop();
    await silence;
  }
}
