import { feedImportFilter, feedOwnSubject, parseFeedSubject } from '@featuremesh/domain/subjects';
import type {
  AppendOutcome,
  ChangeLog,
  ChunkAppend,
  ImportCursor,
  LinkProgress,
  LogFilter,
  LogMessage,
} from '@featuremesh/feature-store/ports/change-log';
import type { DurableStream, StreamMessage } from './durable-stream.ts';
import type { SimulatedFaults } from './faults.ts';
import type { ProcessTime } from './process-time.ts';

/** What the simulated FEED stores of a message. */
export interface FeedRecord {
  readonly body: Uint8Array;
  readonly cursor?: ImportCursor & { readonly hash: string };
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
export function matchesFilter(subject: string, filter: LogFilter): boolean {
  const parsed = parseFeedSubject(subject);
  if (parsed === undefined) return false;
  switch (filter.kind) {
    case 'own':
      return parsed.kind === 'own' && parsed.source === String(filter.slot);
    case 'all-own':
      return parsed.kind === 'own';
    case 'imports':
      return parsed.kind === 'in';
  }
}

/** True where the subject was imported from `peer`. */
export function isImportFrom(subject: string, peer: string): boolean {
  return (
    feedImportFilter(peer).split('.').at(-1) === subject.split('.').at(-1) &&
    subject.split('.').at(-2) === 'in'
  );
}

/** The simulated FEED as one service process sees it: delayed, with lost answers, and gone when the process is. */
export class SimulatedChangeLog implements ChangeLog {
  readonly #feed: RegionFeed;
  readonly #time: ProcessTime;
  readonly #faults: SimulatedFaults;

  constructor(feed: RegionFeed, time: ProcessTime, faults: SimulatedFaults) {
    this.#feed = feed;
    this.#time = time;
    this.#faults = faults;
  }

  get feedEpoch(): string {
    return this.#feed.feedEpoch;
  }

  append(chunk: ChunkAppend): Promise<AppendOutcome> {
    const subject = feedOwnSubject(chunk.groupId, chunk.version, chunk.slot);
    if (!this.#feed.stream.permitted(subject)) {
      return this.#time.later(
        this.#faults.brokerDelayMs(),
        () => ({ kind: 'refused', reason: 'group' }) as const,
      );
    }
    const fate = this.#faults.appendFate();
    let stored: { seq: number; duplicate: boolean } | undefined;
    if (fate !== 'lost') {
      const { idempotencyId, bodyHash, answer } = chunk;
      const record: FeedRecord = {
        body: chunk.body.slice(),
        ...(idempotencyId === undefined ? {} : { idempotencyId }),
        ...(bodyHash === undefined ? {} : { bodyHash }),
        ...(answer === undefined ? {} : { answer }),
      };
      stored = this.#feed.stream.append(subject, record, {
        storedAtMs: this.#time.nowMs(),
        ...(idempotencyId === undefined ? {} : { id: idempotencyId }),
      });
    }
    return this.#time.later(this.#faults.brokerDelayMs(), () => {
      if (fate !== 'answered' || stored === undefined) return { kind: 'unknown' } as const;
      return { kind: stored.duplicate ? 'duplicate' : 'stored', sequence: stored.seq } as const;
    });
  }

  messageAt(sequence: number): Promise<LogMessage | undefined> {
    return this.#time.later(this.#faults.brokerDelayMs(), () => {
      const message = this.#feed.stream.get(sequence);
      return message === undefined ? undefined : toLogMessage(message);
    });
  }

  lastSequence(filter: LogFilter): Promise<number> {
    return this.#time.later(
      this.#faults.brokerDelayMs(),
      () => this.#feed.stream.last(subject => matchesFilter(subject, filter))?.seq ?? 0,
    );
  }

  async *readFrom(after: number, filter: LogFilter): AsyncIterable<LogMessage> {
    const end = await this.#time.later(this.#faults.brokerDelayMs(), () => this.#feed.stream.lastSeq);
    let at = after;
    for (;;) {
      const message = this.#feed.stream.next(at, subject => matchesFilter(subject, filter));
      if (message === undefined || message.seq > end) return;
      at = message.seq;
      yield toLogMessage(message);
    }
  }

  async *follow(after: number, filter: LogFilter, signal: AbortSignal): AsyncIterable<LogMessage> {
    let at = after;
    while (!signal.aborted && this.#time.alive) {
      const message = this.#feed.stream.next(at, subject => matchesFilter(subject, filter));
      if (message === undefined) {
        await this.#time.sleep(this.#faults.pollMs(), signal);
        continue;
      }
      at = message.seq;
      await this.#time.sleep(this.#faults.brokerDelayMs(), signal);
      yield toLogMessage(message);
    }
  }

  onProgress(listener: (progress: LinkProgress) => void, signal: AbortSignal): void {
    const whileAlive = (progress: LinkProgress): void => {
      if (this.#time.alive) listener(progress);
    };
    this.#feed.progressListeners.add(whileAlive);
    signal.addEventListener('abort', () => this.#feed.progressListeners.delete(whileAlive), { once: true });
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
