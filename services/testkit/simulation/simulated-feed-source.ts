import { parseFeedSubject } from '@featuremesh/domain/subjects';
import type { FeedChunk, FeedSource, FeedTail } from '@featuremesh/sync/ports/feed';
import type { BrokerCalls } from './broker-calls.ts';
import type { RegionFeed } from './feed-stream.ts';
import type { ProcessTime } from './process-time.ts';

/** Chunks of a group read ahead; few, so that reading on is exercised. */
const CHUNKS_AHEAD = 8;

interface SourceParts {
  readonly feed: RegionFeed;
  readonly calls: BrokerCalls;
  readonly time: ProcessTime;
}

class SimulatedTail implements FeedTail {
  readonly #parts: SourceParts;
  readonly #groupId: string;
  readonly #onArrival: () => void;
  readonly #off: () => void;
  readonly #ready: FeedChunk[] = [];
  #readThrough: number;
  #look: Promise<void> | undefined;
  #news = false;
  #closed = false;

  constructor(parts: SourceParts, options: { groupId: string; after: number; onArrival: () => void }) {
    this.#parts = parts;
    this.#groupId = options.groupId;
    this.#readThrough = options.after;
    this.#onArrival = options.onArrival;
    this.#off = parts.feed.stream.onAppend(({ subject }) => {
      if (this.#matches(subject)) this.#noticed();
    });
  }

  peek(): FeedChunk | undefined {
    return this.#ready[0];
  }

  take(): FeedChunk | undefined {
    const chunk = this.#ready.shift();
    if (this.#news && this.#ready.length < CHUNKS_AHEAD / 2) this.#noticed();
    return chunk;
  }

  async drained(): Promise<boolean> {
    if (this.#ready.length > 0) return false;
    await this.#look;
    await this.fill();
    return this.#ready.length === 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#off();
  }

  /** Reads ahead; joins a look that is under way. */
  fill(): Promise<void> {
    this.#look ??= this.#read().finally(() => {
      this.#look = undefined;
    });
    return this.#look;
  }

  #noticed(): void {
    this.#news = true;
    if (!this.#closed && this.#parts.time.alive) this.fill().catch(() => undefined);
  }

  async #read(): Promise<void> {
    while (!this.#closed && this.#ready.length < CHUNKS_AHEAD) {
      this.#news = false;
      const { calls, feed } = this.#parts;
      const message = await calls.ask(() =>
        feed.stream.next(this.#readThrough, subject => this.#matches(subject)),
      );
      if (message === undefined) {
        if (!this.#news) return;
        continue;
      }
      this.#readThrough = message.seq;
      const parsed = parseFeedSubject(message.subject);
      if (parsed === undefined) continue;
      this.#ready.push({
        sequence: message.seq,
        groupId: parsed.groupId,
        version: parsed.version,
        appender: Number(parsed.source),
        body: message.data.body,
      });
      this.#onArrival();
    }
    this.#news = true;
  }

  #matches(subject: string): boolean {
    return subject.startsWith(`FEED.${this.#groupId}.`) && subject.includes('.own.');
  }
}

/** FEED as the exporters of one sync process read it. */
export class SimulatedFeedSource implements FeedSource {
  readonly #parts: SourceParts;
  readonly #waiting = new Set<() => void>();

  constructor(parts: SourceParts) {
    this.#parts = parts;
  }

  get feedEpoch(): string {
    return this.#parts.feed.feedEpoch;
  }

  async tail(groupId: string, after: number): Promise<FeedTail> {
    const onArrival = (): void => {
      for (const wake of this.#waiting) wake();
    };
    const tail = new SimulatedTail(this.#parts, { groupId, after, onArrival });
    await tail.fill();
    return tail;
  }

  bounds(): Promise<{ first: number; last: number }> {
    const { stream } = this.#parts.feed;
    return this.#parts.calls.ask(() => ({ first: stream.firstSeq, last: stream.lastSeq }));
  }

  async arrival(waitMs: number, signal: AbortSignal): Promise<void> {
    let wake = (): void => undefined;
    await this.#parts.time.sleepUntil(waitMs, signal, given => {
      wake = given;
      this.#waiting.add(wake);
    });
    this.#waiting.delete(wake);
  }
}
