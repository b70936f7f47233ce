import { ProblemError, problem } from '@featuremesh/domain/problem';
import { feedOwnSubject, parseFeedSubject } from '@featuremesh/domain/subjects';
import type {
  AppendOutcome,
  ChangeLog,
  ChunkAppend,
  ImportCursor,
  LinkProgress,
  LogFilter,
  LogMessage,
} from '@featuremesh/feature-store/ports/change-log';
import type { OpenSnapshot } from '@featuremesh/sync/ports/feed';
import type { BrokerCalls } from './broker-calls.ts';
import type { DurableStream, StreamMessage } from './durable-stream.ts';
import type { ProcessTime } from './process-time.ts';

/** Pause of a reader while the broker is away. */
const AWAY_PAUSE_MS = 100;

/** What an import's header says: the cursor of the importer and what it covers. */
export interface FeedCursor extends ImportCursor {
  readonly hash: string;
  readonly open: readonly OpenSnapshot[];
  readonly retired: readonly string[];
}

/** What the simulated FEED stores of a message. */
export interface FeedRecord {
  readonly body: Uint8Array;
  readonly cursor?: FeedCursor;
  readonly idempotencyId?: string;
  readonly bodyHash?: string;
  readonly answer?: string;
}

/** A region's FEED and the listeners for link progress; shared by all processes of the region, survives them. */
export interface RegionFeed {
  readonly stream: DurableStream<FeedRecord>;
  readonly feedEpoch: string;
  readonly progressListeners: Set<(progress: LinkProgress) => void>;
}

/** True where a subject of FEED belongs to the filter. */
function matchesFilter(subject: string, filter: LogFilter): boolean {
  switch (filter.kind) {
    case 'own':
      return subject.endsWith(`.own.${filter.slot}`);
    case 'all-own':
      return subject.includes('.own.');
    case 'imports':
      return subject.includes('.in.');
  }
}

/** True where the subject was imported from `peer`. */
export function isImportFrom(subject: string, peer: string): boolean {
  return subject.endsWith(`.in.${peer}`);
}

/** What a change log works with. */
export interface SimulatedLogParts {
  readonly feed: RegionFeed;
  readonly time: ProcessTime;
  readonly calls: BrokerCalls;
  readonly nowMs: () => number;
}

/** The simulated FEED as one service process sees it: delayed, with lost answers, and gone when the process is. */
export class SimulatedChangeLog implements ChangeLog {
  readonly #parts: SimulatedLogParts;

  constructor(parts: SimulatedLogParts) {
    this.#parts = parts;
  }

  get feedEpoch(): string {
    return this.#parts.feed.feedEpoch;
  }

  append(chunk: ChunkAppend): Promise<AppendOutcome> {
    const { feed, calls, nowMs } = this.#parts;
    const subject = feedOwnSubject(chunk.groupId, chunk.version, chunk.slot);
    const { idempotencyId, bodyHash, answer } = chunk;
    const record: FeedRecord = {
      body: chunk.body.slice(),
      ...(idempotencyId === undefined ? {} : { idempotencyId }),
      ...(bodyHash === undefined ? {} : { bodyHash }),
      ...(answer === undefined ? {} : { answer }),
    };
    return calls.append<AppendOutcome>(
      () => {
        if (!feed.stream.permitted(subject)) return { kind: 'refused', reason: 'group' };
        const stored = feed.stream.append(subject, record, {
          storedAtMs: nowMs(),
          ...(idempotencyId === undefined ? {} : { id: idempotencyId }),
        });
        return { kind: stored.duplicate ? 'duplicate' : 'stored', sequence: stored.seq };
      },
      { kind: 'unknown' },
    );
  }

  messageAt(sequence: number): Promise<LogMessage | undefined> {
    return this.#ask(() => {
      const message = this.#parts.feed.stream.get(sequence);
      return message === undefined ? undefined : toLogMessage(message);
    });
  }

  lastSequence(filter: LogFilter): Promise<number> {
    return this.#ask(() => this.#parts.feed.stream.last(subject => matchesFilter(subject, filter))?.seq ?? 0);
  }

  firstSequence(): Promise<number> {
    return this.#ask(() => this.#parts.feed.stream.firstSeq);
  }

  async *readFrom(after: number, filter: LogFilter): AsyncIterable<LogMessage> {
    const { feed } = this.#parts;
    const found = await this.#ask(() => {
      const messages: LogMessage[] = [];
      for (
        let message = feed.stream.next(after, subject => matchesFilter(subject, filter));
        message !== undefined;
        message = feed.stream.next(message.seq, subject => matchesFilter(subject, filter))
      ) {
        messages.push(toLogMessage(message));
      }
      return messages;
    });
    yield* found;
  }

  async *follow(after: number, filter: LogFilter, signal: AbortSignal): AsyncIterable<LogMessage> {
    const { calls, feed, time } = this.#parts;
    let at = after;
    while (!signal.aborted) {
      const news = this.#news(filter, signal);
      try {
        const message = await calls.ask(() =>
          feed.stream.next(at, subject => matchesFilter(subject, filter)),
        );
        if (message === undefined) {
          await news;
          continue;
        }
        if (signal.aborted) return;
        at = message.seq;
        yield toLogMessage(message);
      } catch {
        await time.sleep(AWAY_PAUSE_MS, signal);
      }
    }
  }

  onProgress(listener: (progress: LinkProgress) => void, signal: AbortSignal): void {
    const whileAlive = (progress: LinkProgress): void => {
      if (this.#parts.time.alive) listener(progress);
    };
    this.#parts.feed.progressListeners.add(whileAlive);
    signal.addEventListener('abort', () => this.#parts.feed.progressListeners.delete(whileAlive), {
      once: true,
    });
  }

  /** Rejects as the real adapter does. */
  async #ask<T>(effect: () => T): Promise<T> {
    try {
      return await this.#parts.calls.ask(effect);
    } catch (cause) {
      throw new ProblemError(problem('LOG_UNAVAILABLE', 'the simulated log does not answer'), { cause });
    }
  }

  /** Resolves at the next append that matches, or when the signal aborts. */
  #news(filter: LogFilter, signal: AbortSignal): Promise<void> {
    const { feed, time } = this.#parts;
    return new Promise(resolve => {
      const done = (): void => {
        off();
        signal.removeEventListener('abort', done);
        if (time.alive) resolve();
      };
      const off = feed.stream.onAppend(({ subject }) => {
        if (matchesFilter(subject, filter)) done();
      });
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

function toLogMessage(message: StreamMessage<FeedRecord>): LogMessage {
  const parsed = parseFeedSubject(message.subject);
  if (parsed === undefined) throw new TypeError(`not a subject of FEED: ${message.subject}`);
  const { body, cursor, idempotencyId, bodyHash, answer } = message.data;
  if (parsed.kind === 'in' && cursor === undefined)
    throw new TypeError('an imported message lacks its cursor');
  return {
    sequence: message.seq,
    groupId: parsed.groupId,
    version: parsed.version,
    source: cursor === undefined ? { kind: 'own', slot: Number(parsed.source) } : { kind: 'in', cursor },
    body,
    appendedAtMs: message.storedAtMs,
    ...(idempotencyId === undefined ? {} : { idempotencyId }),
    ...(bodyHash === undefined ? {} : { bodyHash }),
    ...(answer === undefined ? {} : { answer }),
  };
}
