import { positionSchema } from '@featuremesh/contracts/wire-primitives';
import { FEED_HEADERS, parseFeedSubject, TRACE_HEADER } from '@featuremesh/domain/subjects';
import { z } from 'zod';
import type { ImportCursor, LogMessage } from '../../ports/change-log.ts';

/** Header by which the broker knows a message again within its duplicate window. */
const MESSAGE_ID_HEADER = 'Nats-Msg-Id';

/** What the importer wrote beside the rows; it may say more than the projector needs. */
const importCursorSchema = z.object({
  peer: z.string(),
  linkEpoch: z.string(),
  linkSeq: z.int().min(0),
  origin: z.string(),
  feedEpoch: z.string(),
  appenders: z.record(z.string(), z.int().min(0)),
  watermarks: z.array(positionSchema).exactOptional(),
  sentAtMs: z.number(),
});

/** A stored message as the client hands it out, whichever call fetched it. */
export interface RawFeedMessage {
  readonly sequence: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly timestampMs: number;
  readonly header: (name: string) => string;
}

/** A message of FEED as the region service uses it; undefined where subject or cursor are not FEED's, which the writers rule out. */
export function parseFeedMessage(raw: RawFeedMessage): LogMessage | undefined {
  const subject = parseFeedSubject(raw.subject);
  if (subject === undefined) return undefined;
  const source = sourceOf(subject.kind, subject.source, raw);
  if (source === undefined) return undefined;
  const id = raw.header(MESSAGE_ID_HEADER);
  const bodyHash = raw.header(FEED_HEADERS.body);
  const answer = raw.header(FEED_HEADERS.answer);
  const traceparent = raw.header(TRACE_HEADER);
  return {
    sequence: raw.sequence,
    groupId: subject.groupId,
    version: subject.version,
    source,
    body: raw.data,
    appendedAtMs: raw.timestampMs,
    // The broker's id of imports is the link's; only a keyed write has a body hash.
    ...(bodyHash === '' ? {} : { idempotencyId: id, bodyHash, answer }),
    ...(traceparent === '' ? {} : { traceparent }),
  };
}

function sourceOf(kind: 'own' | 'in', source: string, raw: RawFeedMessage): LogMessage['source'] | undefined {
  if (kind === 'own') return { kind, slot: Number(source) };
  const cursor = parseCursor(raw.header(FEED_HEADERS.link));
  return cursor === undefined ? undefined : { kind, cursor };
}

function parseCursor(text: string): ImportCursor | undefined {
  try {
    return importCursorSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
