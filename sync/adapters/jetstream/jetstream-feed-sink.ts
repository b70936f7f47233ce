import {
  FEED_HEADERS,
  FEED_STREAM,
  feedCursorSubject,
  feedImportFilter,
  feedImportSubject,
  HELD_STREAM,
  heldSubject,
  LINK_PROGRESS_SUBJECT,
  TRACE_HEADER,
} from '@featuremesh/domain/subjects';
import {
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StoredMsg,
} from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import type {
  FeedSink,
  HeldBatch,
  HeldEntry,
  ImportAppend,
  ImportedCursor,
  ImportOutcome,
} from '../../ports/feed.ts';
import { publishFailure } from './broker-errors.ts';
import { heldReasonSchema, importHeaderSchema } from './import-header.ts';

/** One synced append on this machine; longer means that the broker is away. */
const REQUEST_TIMEOUT_MS = 5_000;
/** Why a batch is held, beside its bytes. */
const REASON_HEADER = 'fm-reason';

/** FEED and HELD of the region on JetStream, as its importers write them. */
export class JetStreamFeedSink implements FeedSink {
  readonly #connection: NatsConnection;
  readonly #client: JetStreamClient;
  readonly #manager: JetStreamManager;

  private constructor(connection: NatsConnection, manager: JetStreamManager) {
    this.#connection = connection;
    this.#client = jetstream(connection, { timeout: REQUEST_TIMEOUT_MS });
    this.#manager = manager;
  }

  /** Works on the region's connection, which stays the caller's. */
  static async over(connection: NatsConnection): Promise<JetStreamFeedSink> {
    const manager = await jetstreamManager(connection, { timeout: REQUEST_TIMEOUT_MS, checkAPI: false });
    return new JetStreamFeedSink(connection, manager);
  }

  async cursor(peer: string): Promise<ImportedCursor | undefined> {
    const query = { last_by_subj: feedImportFilter(peer) };
    const message = await this.#manager.streams.getMessage(FEED_STREAM, query);
    if (message === null) return undefined;
    const { linkEpoch, linkSeq, hash, open, retired } = importHeaderSchema.parse(
      JSON.parse(message.header.get(FEED_HEADERS.link)),
    );
    return { linkEpoch, linkSeq, hash, open, retired, sequence: message.seq };
  }

  async append(message: ImportAppend): Promise<ImportOutcome> {
    const { peer, rows, expectedSequence } = message;
    const subject =
      rows === undefined ? feedCursorSubject(peer) : feedImportSubject(rows.groupId, rows.version, peer);
    const head = headers();
    head.set(FEED_HEADERS.link, JSON.stringify(headerOf(message)));
    if (message.traceparent !== undefined) head.set(TRACE_HEADER, message.traceparent);
    try {
      const stored = await this.#client.publish(subject, rows?.body ?? new Uint8Array(), {
        headers: head,
        timeout: REQUEST_TIMEOUT_MS,
        expect: {
          streamName: FEED_STREAM,
          lastSubjectSequence: expectedSequence,
          lastSubjectSequenceSubject: feedImportFilter(peer),
        },
      });
      return { kind: 'stored', sequence: stored.seq };
    } catch (error) {
      const failure = publishFailure(error);
      switch (failure) {
        case 'fenced':
        case 'full':
        case 'unknown':
          return { kind: failure };
        case 'forbidden':
          return { kind: 'refused' };
        case 'unlistened':
          return { kind: (await this.#lists(subject)) ? 'unknown' : 'refused' };
      }
    }
  }

  async hold(batch: HeldBatch): Promise<void> {
    const head = headers();
    head.set(REASON_HEADER, batch.reason);
    try {
      await this.#client.publish(heldSubject(batch.peer, batch.linkEpoch, batch.linkSeq), batch.bytes, {
        headers: head,
        timeout: REQUEST_TIMEOUT_MS,
        expect: { streamName: HELD_STREAM, lastSubjectSequence: 0 },
      });
    } catch (error) {
      // The subject names the batch, so a failed check means that it stands there already.
      if (publishFailure(error) !== 'fenced') throw error;
    }
  }

  async held(peer: string, page: { after: number; limit: number }): Promise<readonly HeldEntry[]> {
    const entries: HeldEntry[] = [];
    const filter = heldSubject(peer, '*', '*');
    for (let { after } = page; entries.length < page.limit; ) {
      const query = { seq: after + 1, next_by_subj: filter };
      const message = await this.#manager.streams.getMessage(HELD_STREAM, query);
      if (message === null) break;
      after = message.seq;
      entries.push(this.#entry(peer, message));
    }
    return entries;
  }

  progress(progress: { peer: string; knownAsOfMs: number; throughSequence: number }): void {
    this.#connection.publish(LINK_PROGRESS_SUBJECT, JSON.stringify(progress));
  }

  #entry(peer: string, message: StoredMsg): HeldEntry {
    const [, , linkEpoch = '', linkSeq = ''] = message.subject.split('.');
    return {
      peer,
      linkEpoch,
      linkSeq: Number(linkSeq),
      reason: heldReasonSchema.parse(message.header.get(REASON_HEADER)),
      bytes: message.data,
      position: message.seq,
      release: async () => {
        await this.#manager.streams.deleteMessage(HELD_STREAM, message.seq);
      },
    };
  }

  /** Whether FEED lists the subject; true where that cannot be learnt, so that an outage is not called a refusal. */
  async #lists(subject: string): Promise<boolean> {
    try {
      const { config } = await this.#manager.streams.info(FEED_STREAM);
      return config.subjects.includes(subject);
    } catch {
      return true;
    }
  }
}

function headerOf(message: ImportAppend): object {
  const { peer, cursor, origin, feedEpoch, appenders, watermarks, sentAtMs } = message;
  return { peer, ...cursor, origin, feedEpoch, appenders, watermarks, sentAtMs };
}
