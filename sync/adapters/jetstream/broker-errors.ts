import { JetStreamApiError, JetStreamError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';

/** Broker codes of a failed expected-last-sequence check, over the stream and over a subject. */
const FENCED_CODES: ReadonlySet<number> = new Set([10_071, 10_164]);
/** Broker codes of a stream that may take no more: limits reached, or no storage left. */
const FULL_CODES: ReadonlySet<number> = new Set([10_023, 10_028, 10_047, 10_054, 10_077]);
/** Broker code of a stream that does not exist. */
const STREAM_NOT_FOUND = 10_059;
/** Broker code of a consumer that does not exist. */
const CONSUMER_NOT_FOUND = 10_014;

/** Status of a direct read that found nothing. */
const MESSAGE_NOT_FOUND = 404;

/** What a failed publish to a stream means. `unlistened`: no stream took the subject, or none runs. `unknown`: it may be stored. */
export type PublishFailure = 'fenced' | 'full' | 'forbidden' | 'unlistened' | 'unknown';

/** Classes an error of `JetStreamClient.publish`, never by its text. */
export function publishFailure(error: unknown): PublishFailure {
  if (error instanceof JetStreamApiError) {
    if (FENCED_CODES.has(error.code)) return 'fenced';
    return FULL_CODES.has(error.code) ? 'full' : 'unknown';
  }
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof errors.PermissionViolationError) return 'forbidden';
    if (cause instanceof errors.NoRespondersError) return 'unlistened';
    if (cause instanceof errors.RequestError && cause.isNoResponders()) return 'unlistened';
  }
  return 'unknown';
}

/** True where the broker says that the stream does not exist. */
export function isStreamMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND;
}

/** True where the broker says that the consumer does not exist. */
export function isConsumerMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === CONSUMER_NOT_FOUND;
}

/** True where the broker says that no message matches a direct read. */
export function isMessageMissing(error: unknown): boolean {
  return error instanceof JetStreamError && 'code' in error && error.code === MESSAGE_NOT_FOUND;
}
