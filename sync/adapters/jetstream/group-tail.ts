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
  /** News came since the last look began. */
  #news = false;
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
    if (this.#news && this.#ready.length < CHUNKS_AHEAD / 2) this.#lookOn();
    return chunk;
  }

  async drained(): Promise<boolean> {
    if (this.#ready.length > 0) return false;
    await this.#look;
    await this.fill();
    return this.#ready.length === 0 && !this.#news;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#options.onClose(this);
  }

  /** The log may hold more. */
  noticed(): void {
    this.#news = true;
    this.#lookOn();
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
    this.fill().catch(() => undefined);
  }

  async #read(): Promise<void> {
    while (!this.#closed) {
      if (this.#ready.length >= CHUNKS_AHEAD || this.#readyBytes >= BYTES_AHEAD) {
        this.#news = true;
        return;
      }
      const hadNews = this.#news;
      this.#news = false;
      if (hadNews && (await this.#readTogether())) {
        this.#news = true;
        continue;
      }
      const message = await this.#next();
      if (message !== null) this.#accept(message);
      else if (!this.#news) return;
    }
  }

  /**
   * Reads what there is as one answer, raw. True where there was something. A replica that trails may answer, so that nothing here
   * says that the log ends; only `#next` does.
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
