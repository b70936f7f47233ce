import { FEED_STREAM, feedImportFilter } from '@featuremesh/domain/subjects';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Timer } from '@featuremesh/runtime/timer';
import { DeliverPolicy, type JetStreamClient, type JsMsg } from '@nats-io/jetstream';
import type { LogFilter, LogMessage } from '../../ports/change-log.ts';
import { parseFeedMessage } from './feed-message.ts';

/** Bytes that a reader has asked for and not yet been given: two messages of the largest size. */
const READ_AHEAD_BYTES = 16 * 1024 * 1024;
/** The broker forgets a reader that is gone after this long. */
const READER_INACTIVE_NANOS = 60 * 1_000_000_000;
/**
 * Life of one pull request, and the silence after which it is sent anew (twice this, as the client counts). The client also waits as
 * long as the first where a broker that was restarted does not know its streams yet, half a minute unless told otherwise.
 */
const PULL_EXPIRES_MS = 5_000;
const PULL_HEARTBEAT_MS = 1_000;
/** First and longest pause before a reader that failed is made anew. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/** The subjects of a filter. */
export function subjectsOf(filter: LogFilter): string {
  switch (filter.kind) {
    case 'own':
      return `FEED.*.*.own.${filter.slot}`;
    case 'all-own':
      return 'FEED.*.*.own.*';
    case 'imports':
      return feedImportFilter('*');
  }
}

/** What readers need. */
export interface FeedReaderOptions {
  readonly client: JetStreamClient;
  readonly logger: Logger;
  readonly timer: Timer;
}

/** Messages above `after` in order until `signal` aborts; a broken reader is made anew behind the last message seen. */
export async function* followFeed(
  { client, logger, timer }: FeedReaderOptions,
  after: number,
  filter: LogFilter,
  signal: AbortSignal,
): AsyncGenerator<LogMessage> {
  let last = after;
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    try {
      for await (const message of openReader(client, last, filter, signal, 'for more')) {
        pauseMs = FIRST_PAUSE_MS;
        last = message.seq;
        const parsed = parsedMessage(message);
        if (parsed === undefined) logger.error({ sequence: last }, 'a message of the log does not parse');
        else yield parsed;
      }
    } catch (error) {
      logger.warn({ err: error, pauseMs }, 'a reader of the log failed and is made anew');
    }
    if (signal.aborted) return;
    await timer.sleep(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

/** Messages above `after` up to and with `through`, in order. Fails where the broker does. */
export async function* readFeed(
  { client, logger }: FeedReaderOptions,
  range: { readonly after: number; readonly through: number },
  filter: LogFilter,
): AsyncGenerator<LogMessage> {
  if (range.through <= range.after) return;
  const ended = new AbortController();
  for await (const message of openReader(client, range.after, filter, ended.signal, 'not at all')) {
    const parsed = parsedMessage(message);
    if (parsed === undefined) logger.error({ sequence: message.seq }, 'a message of the log does not parse');
    else if (message.seq <= range.through) yield parsed;
    // The message at `through` may have been trimmed meanwhile: nothing pending ends the read as well.
    if (message.seq >= range.through || message.info.pending === 0) return;
  }
}

/** An ordered consumer notices every gap in its own deliveries and starts again there. */
async function* openReader(
  client: JetStreamClient,
  after: number,
  filter: LogFilter,
  signal: AbortSignal,
  waits: 'for more' | 'not at all',
): AsyncGenerator<JsMsg> {
  const consumer = await client.consumers.get(FEED_STREAM, {
    filter_subjects: subjectsOf(filter),
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: after + 1,
    inactive_threshold: READER_INACTIVE_NANOS,
  });
  // What was last may have been trimmed since: a read that does not wait for more must not wait for that.
  if (waits === 'not at all' && (await consumer.info()).num_pending === 0) {
    await consumer.delete().catch(() => undefined);
    return;
  }
  const messages = await consumer.consume({
    max_bytes: READ_AHEAD_BYTES,
    expires: PULL_EXPIRES_MS,
    idle_heartbeat: PULL_HEARTBEAT_MS,
    abort_on_missing_resource: true,
  });
  const stop = (): void => messages.stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (!signal.aborted) yield* messages;
  } finally {
    signal.removeEventListener('abort', stop);
    messages.stop();
    await consumer.delete().catch(() => undefined);
  }
}

function parsedMessage(message: JsMsg): LogMessage | undefined {
  return parseFeedMessage({
    sequence: message.seq,
    subject: message.subject,
    data: message.data,
    timestampMs: Math.floor(message.info.timestampNanos / 1_000_000),
    header: name => message.headers?.get(name) ?? '',
  });
}
