import { FEED_STREAM, parseFeedSubject } from '@featuremesh/domain/subjects';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Timer } from '@featuremesh/runtime/timer';
import {
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { FeedSource, FeedTail } from '../../ports/feed.ts';
import { GroupTail } from './group-tail.ts';

/** The broker forgets the notifier of an agent that is gone after this long. */
const NOTIFIER_INACTIVE_NANOS = 60 * 1_000_000_000;
/** Notices asked for ahead; they carry no rows. */
const NOTICES_AHEAD = 1_000;
/** Life of one pull request, also the client's patience with a broker that has just been started; and the silence after which it is sent anew. */
const PULL_EXPIRES_MS = 5_000;
const PULL_HEARTBEAT_MS = 1_000;
/** First and longest pause before the notifier is made anew. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
const REQUEST_TIMEOUT_MS = 5_000;

/**
 * FEED for all exporters of a region. One consumer of headers only tells which groups have news, after they were stored; each
 * tail then reads its own chunks from the log, so that a slow peer holds up nobody and leaves nothing behind in the broker.
 */
export class JetStreamFeedSource implements FeedSource {
  readonly feedEpoch: string;
  readonly #client: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #timer: Timer;
  readonly #logger: Logger;
  readonly #readTraces: boolean;
  readonly #tails = new Set<GroupTail>();
  readonly #waiting = new Set<() => void>();
  readonly #stop = new AbortController();
  #notifier: Promise<void> | undefined;

  private constructor(parts: {
    feedEpoch: string;
    client: JetStreamClient;
    manager: JetStreamManager;
    timer: Timer;
    logger: Logger;
    readTraces?: boolean;
  }) {
    this.feedEpoch = parts.feedEpoch;
    this.#client = parts.client;
    this.#manager = parts.manager;
    this.#timer = parts.timer;
    this.#logger = parts.logger;
    this.#readTraces = parts.readTraces ?? false;
  }

  /** Works on the region's connection, which stays the caller's, over a FEED of this epoch. */
  static async over(
    connection: NatsConnection,
    options: {
      readonly feedEpoch: string;
      readonly timer: Timer;
      readonly logger: Logger;
      readonly readTraces?: boolean;
    },
  ): Promise<JetStreamFeedSource> {
    const timeout = REQUEST_TIMEOUT_MS;
    const source = new JetStreamFeedSource({
      ...options,
      client: jetstream(connection, { timeout }),
      manager: await jetstreamManager(connection, { timeout, checkAPI: false }),
    });
    source.#notifier = source.#notify();
    return source;
  }

  async tail(groupId: string, after: number): Promise<FeedTail> {
    const tail = new GroupTail({
      manager: this.#manager,
      timer: this.#timer,
      groupId,
      after,
      readTraces: this.#readTraces,
      onArrival: () => this.#wake(),
      onClose: closed => this.#tails.delete(closed),
    });
    this.#tails.add(tail);
    await tail.fill();
    return tail;
  }

  async bounds(): Promise<{ first: number; last: number }> {
    const { state } = await this.#manager.streams.info(FEED_STREAM);
    // A log that was trimmed to nothing goes on behind its last sequence.
    return { first: state.messages === 0 ? state.last_seq + 1 : state.first_seq, last: state.last_seq };
  }

  async arrival(waitMs: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    this.#waiting.add(wake);
    await this.#timer.sleep(waitMs, AbortSignal.any([signal, woken.signal]));
    this.#waiting.delete(wake);
  }

  /** Ends the notifier; tails that are still open no longer learn of news. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#notifier;
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  async #notify(): Promise<void> {
    const { signal } = this.#stop;
    let pauseMs = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      try {
        const consumer = await this.#client.consumers.get(FEED_STREAM, {
          filter_subjects: 'FEED.*.*.own.*',
          deliver_policy: DeliverPolicy.New,
          headers_only: true,
          inactive_threshold: NOTIFIER_INACTIVE_NANOS,
        });
        const messages = await consumer.consume({
          max_messages: NOTICES_AHEAD,
          expires: PULL_EXPIRES_MS,
          idle_heartbeat: PULL_HEARTBEAT_MS,
        });
        const stop = (): void => messages.stop();
        signal.addEventListener('abort', stop, { once: true });
        if (signal.aborted) messages.stop();
        // What came while there was no notifier is found by looking.
        for (const tail of this.#tails) tail.noticed();
        pauseMs = FIRST_PAUSE_MS;
        for await (const { subject, seq } of messages) this.#noticed(subject, seq);
        signal.removeEventListener('abort', stop);
        await consumer.delete().catch(() => undefined);
      } catch (error) {
        this.#logger.warn({ err: error, pauseMs }, 'news of the log do not come in; trying again');
      }
      await this.#timer.sleep(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  #noticed(subject: string, sequence: number): void {
    const groupId = parseFeedSubject(subject)?.groupId;
    for (const tail of this.#tails) if (tail.groupId === groupId) tail.noticed(sequence);
  }
}
