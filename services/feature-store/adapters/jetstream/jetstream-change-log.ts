import { ProblemError, problem } from '@featuremesh/domain/problem';
import {
  FEED_HEADERS,
  FEED_STREAM,
  feedOwnSubject,
  LINK_PROGRESS_SUBJECT,
  TRACE_HEADER,
} from '@featuremesh/domain/subjects';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Repetition, Timer } from '@featuremesh/runtime/timer';
import {
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StoredMsg,
} from '@nats-io/jetstream';
import {
  type ConnectionOptions,
  connect,
  errors,
  headers,
  type NatsConnection,
  nkeyAuthenticator,
} from '@nats-io/transport-node';
import { z } from 'zod';
import type {
  AppendOutcome,
  ChangeLog,
  ChunkAppend,
  LinkProgress,
  LogFilter,
  LogMessage,
} from '../../ports/change-log.ts';
import { parseFeedMessage } from './feed-message.ts';
import { followFeed, readFeed, subjectsOf } from './feed-reader.ts';
import { awaitFeed, feedEpochNow } from './feed-wait.ts';

/** An append answers after one disk sync; a server that takes this long is as good as gone. */
const APPEND_TIMEOUT_MS = 5_000;
/** Pause between two tries to connect; the client tries for as long as the process runs. */
const RECONNECT_PAUSE_MS = 250;
/** Between two looks whether the stream is still the one that was found at the start. */
const EPOCH_LOOK_MS = 1_000;
/** How long a start waits for the stream: the sync agent makes it within seconds of its own start. */
const DEFAULT_STREAM_WAIT_MS = 120_000;

/** Broker error codes that mean the stream may take no more: limits reached, or no storage left. */
const FULL_CODES: ReadonlySet<number> = new Set([10023, 10028, 10047, 10054, 10077]);

const LOST = Symbol('connection lost');

const progressSchema = z.object({
  peer: z.string(),
  knownAsOfMs: z.number(),
  throughSequence: z.int().min(0),
});

/** How to reach the region's broker; credentials as the region's NATS configuration names them. */
export interface JetStreamChangeLogOptions {
  readonly servers: string | readonly string[];
  readonly user?: string;
  readonly password?: string;
  readonly nkeySeed?: string;
  /** Node slot of this process; part of the connection's name. */
  readonly slot: number;
  readonly logger: Logger;
  readonly timer: Timer;
  readonly inboxPrefix?: string;
  readonly streamWaitMs?: number;
}

/** FEED on JetStream. The server runs with `sync_interval: always`, so an append that was acknowledged is on disk (S5). */
export class JetStreamChangeLog implements ChangeLog {
  readonly feedEpoch: string;
  readonly #connection: NatsConnection;
  readonly #client: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #logger: Logger;
  readonly #timer: Timer;
  readonly #watch: Repetition;
  #connected = true;
  #replaced = false;
  #lost: PromiseWithResolvers<typeof LOST> = Promise.withResolvers();

  private constructor(parts: {
    feedEpoch: string;
    connection: NatsConnection;
    manager: JetStreamManager;
    logger: Logger;
    timer: Timer;
  }) {
    this.feedEpoch = parts.feedEpoch;
    this.#connection = parts.connection;
    this.#client = jetstream(parts.connection, { timeout: APPEND_TIMEOUT_MS });
    this.#manager = parts.manager;
    this.#logger = parts.logger;
    this.#timer = parts.timer;
    this.#watch = parts.timer.every(EPOCH_LOOK_MS, async () => {
      const epoch = await feedEpochNow(this.#manager);
      if (epoch !== undefined && epoch !== this.feedEpoch) this.#replaced = true;
    });
    void this.#watchConnection();
  }

  /** Connects, waiting for the broker, and waits for the stream; throws a ProblemError LOG_UNAVAILABLE where that takes too long. */
  static async connect(options: JetStreamChangeLogOptions): Promise<JetStreamChangeLog> {
    const { logger, timer } = options;
    const connection = await connect(connectionOptions(options));
    const manager = await jetstreamManager(connection, { timeout: APPEND_TIMEOUT_MS, checkAPI: false });
    try {
      const waitMs = options.streamWaitMs ?? DEFAULT_STREAM_WAIT_MS;
      const feedEpoch = await awaitFeed(manager, { timer, logger, waitMs });
      return new JetStreamChangeLog({ feedEpoch, connection, manager, logger, timer });
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  async append(chunk: ChunkAppend): Promise<AppendOutcome> {
    // What is published while the connection is down would be sent when it is up again, long after the caller was answered.
    if (!this.#connected || this.#replaced) return { kind: 'refused', reason: 'unavailable' };
    const subject = feedOwnSubject(chunk.groupId, chunk.version, chunk.slot);
    const head = headers();
    if (chunk.bodyHash !== undefined) head.set(FEED_HEADERS.body, chunk.bodyHash);
    if (chunk.answer !== undefined) head.set(FEED_HEADERS.answer, chunk.answer);
    if (chunk.traceparent !== undefined) head.set(TRACE_HEADER, chunk.traceparent);
    try {
      const publishing = this.#client.publish(subject, chunk.body, {
        timeout: APPEND_TIMEOUT_MS,
        headers: head,
        ...(chunk.idempotencyId === undefined ? {} : { msgID: chunk.idempotencyId }),
      });
      const ack = await this.#orLost(publishing);
      return { kind: ack.duplicate ? 'duplicate' : 'stored', sequence: ack.seq };
    } catch (error) {
      return this.#appendFailure(error);
    }
  }

  async messageAt(sequence: number): Promise<LogMessage | undefined> {
    const message = await this.#ask(() => this.#manager.streams.getMessage(FEED_STREAM, { seq: sequence }));
    return message === null ? undefined : parsedMessage(message);
  }

  async lastSequence(filter: LogFilter): Promise<number> {
    const query = { last_by_subj: subjectsOf(filter) };
    const message = await this.#ask(() => this.#manager.streams.getMessage(FEED_STREAM, query));
    return message?.seq ?? 0;
  }

  async firstSequence(): Promise<number> {
    const { state } = await this.#ask(() => this.#manager.streams.info(FEED_STREAM));
    return Math.max(1, state.first_seq);
  }

  async *readFrom(after: number, filter: LogFilter): AsyncGenerator<LogMessage> {
    const through = await this.lastSequence(filter);
    yield* readFeed(this.#reader(), { after, through }, filter);
  }

  follow(after: number, filter: LogFilter, signal: AbortSignal): AsyncIterable<LogMessage> {
    return followFeed(this.#reader(), after, filter, signal);
  }

  onProgress(listener: (progress: LinkProgress) => void, signal: AbortSignal): void {
    const subscription = this.#connection.subscribe(LINK_PROGRESS_SUBJECT, {
      callback: (error, message) => {
        if (error !== null) return;
        const progress = parseProgress(message.string());
        if (progress === undefined) this.#logger.warn({}, 'a progress report does not parse');
        else listener(progress);
      },
    });
    signal.addEventListener('abort', () => subscription.unsubscribe(), { once: true });
  }

  /** True while the connection to the broker stands. */
  isConnected(): boolean {
    return this.#connected;
  }

  /** True once the stream was found to be another one than at the start: it was lost and made anew. Nothing is appended any more. */
  isReplaced(): boolean {
    return this.#replaced;
  }

  /** Ends the connection; appends under way end as `unknown`. */
  async close(): Promise<void> {
    this.#watch.stop();
    await this.#connection.close();
  }

  async #watchConnection(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === 'reconnect') this.#connected = true;
      else if (type === 'disconnect' || type === 'close') this.#disconnect();
      else continue;
      this.#logger.info({ status: type }, 'connection to the broker');
    }
    this.#disconnect();
  }

  #disconnect(): void {
    this.#connected = false;
    this.#lost.resolve(LOST);
    this.#lost = Promise.withResolvers();
  }

  /** Answers of a lost connection never come: whoever waits is told at once. */
  async #orLost<T>(answer: Promise<T>): Promise<T> {
    const first = await Promise.race([answer, this.#lost.promise]);
    if (first !== LOST) return first as T;
    answer.catch(() => undefined);
    throw new ProblemError(problem('LOG_UNAVAILABLE', 'the connection to the broker was lost'));
  }

  async #appendFailure(error: unknown): Promise<AppendOutcome> {
    if (error instanceof Error && isNoResponders(error.cause)) {
      // Nobody listens on the subject: FEED does not list the group, or the broker's log is not running at all.
      return (await this.#streamAnswers())
        ? { kind: 'refused', reason: 'group' }
        : { kind: 'refused', reason: 'unavailable' };
    }
    if (error instanceof JetStreamApiError && FULL_CODES.has(error.code)) {
      this.#logger.error({ brokerCode: error.code }, 'the change log is full');
      return { kind: 'refused', reason: 'full' };
    }
    this.#logger.warn({ err: error }, 'an append to the change log has an unknown outcome');
    return { kind: 'unknown' };
  }

  async #streamAnswers(): Promise<boolean> {
    try {
      await this.#manager.streams.info(FEED_STREAM);
      return true;
    } catch {
      return false;
    }
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    if (!this.#connected) throw new ProblemError(problem('LOG_UNAVAILABLE', 'the broker is not connected'));
    try {
      return await this.#orLost(question());
    } catch (error) {
      throw new ProblemError(problem('LOG_UNAVAILABLE', 'the change log does not answer'), { cause: error });
    }
  }

  #reader(): { client: JetStreamClient; logger: Logger; timer: Timer } {
    return { client: this.#client, logger: this.#logger, timer: this.#timer };
  }
}

function connectionOptions(options: JetStreamChangeLogOptions): ConnectionOptions {
  const { servers, user, password, nkeySeed, inboxPrefix, slot } = options;
  return {
    servers: typeof servers === 'string' ? servers : [...servers],
    name: `region-service-${slot}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_PAUSE_MS,
    waitOnFirstConnect: true,
    // A stack for every request costs more than the request; an error still says what failed and why.
    noAsyncTraces: true,
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(nkeySeed === undefined
      ? {}
      : { authenticator: nkeyAuthenticator(new TextEncoder().encode(nkeySeed)) }),
  };
}

function isNoResponders(error: unknown): boolean {
  return error instanceof errors.RequestError && error.isNoResponders();
}

function parsedMessage(message: StoredMsg): LogMessage | undefined {
  return parseFeedMessage({
    sequence: message.seq,
    subject: message.subject,
    data: message.data,
    timestampMs: message.time.getTime(),
    header: name => message.header.get(name),
  });
}

function parseProgress(text: string): LinkProgress | undefined {
  try {
    return progressSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
