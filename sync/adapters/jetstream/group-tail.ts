import { FEED_STREAM, feedOwnSubject, parseFeedSubject } from '@featuremesh/domain/subjects';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import type { FeedChunk, FeedTail } from '../../ports/feed.ts';

/** Chunks of one group kept ready: enough for two full batches of small chunks while the next ones are read. */
const CHUNKS_AHEAD = 64;
/** Bytes of them: two chunks of the largest size. */
const BYTES_AHEAD = 16 * 1024 * 1024;

/** What a tail works with. */
export interface GroupTailOptions {
  readonly manager: JetStreamManager;
  readonly groupId: string;
  /** FEED sequence after which to begin. */
  readonly after: number;
  readonly onArrival: () => void;
  readonly onClose: (tail: GroupTail) => void;
}

type Reading = 'idle' | 'reading' | 'again';

/** One group's own chunks, read from the log one behind the other, a bounded number ahead. */
export class GroupTail implements FeedTail {
  readonly groupId: string;
  readonly #options: GroupTailOptions;
  readonly #filter: string;
  readonly #ready: FeedChunk[] = [];
  #readyBytes = 0;
  /** Last sequence that was read into `#ready`. */
  #readThrough: number;
  #reading: Reading = 'idle';
  #exhausted = false;
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
    if (!this.#exhausted && this.#ready.length < CHUNKS_AHEAD / 2) void this.fill().catch(() => undefined);
    return chunk;
  }

  async drained(): Promise<boolean> {
    if (this.#ready.length > 0 || this.#reading !== 'idle') return false;
    const next = await this.#next();
    if (next === null) return true;
    this.noticed();
    return false;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#options.onClose(this);
  }

  /** The log may hold more: look, and again where a look is under way. */
  noticed(): void {
    this.#exhausted = false;
    // A failed look leaves the tail as not exhausted; `drained` looks again within a second.
    void this.fill().catch(() => undefined);
  }

  /** Reads ahead as far as the bounds permit. Rejects where the broker does not answer. */
  async fill(): Promise<void> {
    if (this.#reading !== 'idle') {
      this.#reading = 'again';
      return;
    }
    this.#reading = 'reading';
    try {
      while (!this.#closed && this.#ready.length < CHUNKS_AHEAD && this.#readyBytes < BYTES_AHEAD) {
        const message = await this.#next();
        if (message !== null) this.#accept(message);
        else if (this.#looksAgain()) this.#reading = 'reading';
        else {
          this.#exhausted = true;
          return;
        }
      }
    } finally {
      this.#reading = 'idle';
    }
  }

  /** Whether news came while the last look was under way. */
  #looksAgain(): boolean {
    return this.#reading === 'again';
  }

  #accept(message: StoredMsg): void {
    const subject = parseFeedSubject(message.subject);
    this.#readThrough = message.seq;
    if (subject === undefined) return;
    this.#ready.push({
      sequence: message.seq,
      groupId: subject.groupId,
      version: subject.version,
      appender: Number(subject.source),
      body: message.data,
    });
    this.#readyBytes += message.data.length;
    this.#options.onArrival();
  }

  #next(): Promise<StoredMsg | null> {
    const query = { seq: this.#readThrough + 1, next_by_subj: this.#filter };
    return this.#options.manager.streams.getMessage(FEED_STREAM, query);
  }
}
