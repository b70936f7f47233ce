import { feedCursorSubject, feedImportSubject } from '@featuremesh/domain/subjects';
import type { LinkProgress } from '@featuremesh/feature-store/ports/change-log';
import type {
  FeedSink,
  HeldBatch,
  HeldEntry,
  ImportAppend,
  ImportedCursor,
  ImportOutcome,
} from '@featuremesh/sync/ports/feed';
import type { BrokerCalls } from './broker-calls.ts';
import type { DurableStream } from './durable-stream.ts';
import { isImportFrom, type RegionFeed } from './feed-stream.ts';
import type { ProcessTime } from './process-time.ts';

/** Held batches of one page, far fewer than the engine asks for. */
const MAX_HELD_PAGE = 2;

/** What an import sink works with. */
export interface SinkParts {
  readonly feed: RegionFeed;
  readonly held: DurableStream<HeldBatch>;
  readonly calls: BrokerCalls;
  readonly time: ProcessTime;
  readonly nowMs: () => number;
  /** Called with every report as it leaves the importer. */
  readonly onProgress: (progress: LinkProgress) => void;
}

/** FEED and HELD as the importers of one sync process write them. */
export class SimulatedFeedSink implements FeedSink {
  readonly #parts: SinkParts;

  constructor(parts: SinkParts) {
    this.#parts = parts;
  }

  cursor(peer: string): Promise<ImportedCursor | undefined> {
    const { calls, feed } = this.#parts;
    return calls.ask(() => {
      const message = feed.stream.last(subject => isImportFrom(subject, peer));
      if (message?.data.cursor === undefined) return undefined;
      const { linkEpoch, linkSeq, hash, open, retired } = message.data.cursor;
      return { linkEpoch, linkSeq, hash, open, retired, sequence: message.seq };
    });
  }

  append(message: ImportAppend): Promise<ImportOutcome> {
    const { calls, feed, nowMs } = this.#parts;
    const { peer, rows, cursor, expectedSequence } = message;
    const subject =
      rows === undefined ? feedCursorSubject(peer) : feedImportSubject(rows.groupId, rows.version, peer);
    const { origin, feedEpoch, appenders, watermarks, sentAtMs } = message;
    // As a header does: what is stored is a copy.
    const header = structuredClone({
      peer,
      ...cursor,
      origin,
      feedEpoch,
      appenders,
      watermarks,
      sentAtMs,
    });
    const body = rows?.body.slice() ?? new Uint8Array();
    return calls.append<ImportOutcome>(
      () => {
        if (!feed.stream.permitted(subject)) return { kind: 'refused' };
        const last = feed.stream.last(stored => isImportFrom(stored, peer))?.seq ?? 0;
        if (last !== expectedSequence) return { kind: 'fenced' };
        const { seq } = feed.stream.append(subject, { body, cursor: header }, { storedAtMs: nowMs() });
        return { kind: 'stored', sequence: seq };
      },
      { kind: 'unknown' },
    );
  }

  hold(batch: HeldBatch): Promise<void> {
    const { calls, held, nowMs } = this.#parts;
    const subject = `HELD.${batch.peer}.${batch.linkEpoch}.${batch.linkSeq}`;
    return calls.ask(() => {
      if (held.last(stored => stored === subject) === undefined)
        held.append(subject, { ...batch, bytes: batch.bytes.slice() }, { storedAtMs: nowMs() });
    });
  }

  /** Pages are short, so that what is set aside takes several. */
  held(peer: string, page: { after: number; limit: number }): Promise<readonly HeldEntry[]> {
    const { calls, held } = this.#parts;
    return calls.ask(() =>
      held
        .messages()
        .filter(({ seq, data }) => data.peer === peer && seq > page.after)
        .slice(0, Math.min(page.limit, MAX_HELD_PAGE))
        .map(({ seq, data }) => ({
          ...data,
          position: seq,
          release: () => calls.ask(() => held.remove(seq)),
        })),
    );
  }

  progress(progress: LinkProgress): void {
    const { feed, time, calls, onProgress } = this.#parts;
    if (!time.alive) return;
    onProgress(progress);
    void calls
      .ask(() => {
        for (const listener of feed.progressListeners) listener(progress);
      })
      .catch(() => undefined);
  }
}
