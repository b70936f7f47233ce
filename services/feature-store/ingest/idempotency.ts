import { createHash, type Hash } from 'node:crypto';
import { IDEMPOTENCY_WINDOW_MS } from '@featuremesh/domain/limits';
import type { Position } from '@featuremesh/domain/position';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { type RegionId, regionId } from '@featuremesh/domain/region-id';
import type { Clock } from '@featuremesh/runtime/clock';
import { z } from 'zod';
import type { ChangeLog, LogMessage } from '../ports/change-log.ts';
import type { OnlineStore } from '../ports/online-store.ts';
import { OVERLOADED_RETRY_MS } from './ingest-limits.ts';
import type { Rejection } from './write-command.ts';

/** Identity of a keyed chunk: SHA-256, base64url, over caller, group id, version, key and ordinal (A2). */
export function idempotencyId(of: {
  caller: string;
  groupId: string;
  version: number;
  key: string;
  ordinal: number;
}): string {
  const text = JSON.stringify([of.caller, of.groupId, of.version, of.key, of.ordinal]);
  return createHash('sha256').update(text).digest('base64url');
}

/** A running hash of what a caller sent; options that change the outcome are part of it. */
export function bodyHash(options: { readonly nonFinite: string }): Hash {
  return createHash('sha256').update(`${options.nonFinite}\n`);
}

const answerSchema = z.strictObject({
  accepted: z.int().min(0),
  /** Indices count from the chunk's first row. */
  rejected: z.array(
    z.strictObject({
      index: z.int().min(0),
      code: z.string(),
      message: z.string(),
      region: z.string().optional(),
      publicUrl: z.string().optional(),
    }),
  ),
});

/** What a chunk answered the first time; ASCII JSON, so that it may stand in a header. */
export interface ChunkAnswer {
  readonly accepted: number;
  readonly rejected: readonly Rejection[];
}

/** The text kept in the log's header and in the index. */
export function formatAnswer(answer: ChunkAnswer): string {
  return JSON.stringify(answer).replaceAll(
    /[^\x20-\x7e]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const indexedSchema = z.strictObject({
  answer: answerSchema,
  position: z.strictObject({
    origin: z.string(),
    feedEpoch: z.string(),
    groupId: z.string(),
    appender: z.int().min(0),
    sequence: z.int().min(0),
  }),
});

/** What the index keeps of a chunk: its answer, as `formatAnswer` wrote it, and where it stands in the log. */
export function formatIndexed(answer: string, position: Position): string {
  return `{"answer":${answer},"position":${JSON.stringify(position)}}`;
}

function parseIndexed(text: string): { readonly answer: ChunkAnswer; readonly position: Position } {
  const { answer, position } = indexedSchema.parse(JSON.parse(text));
  return { answer: answer as ChunkAnswer, position: { ...position, origin: regionId(position.origin) } };
}

function parseAnswer(text: string): ChunkAnswer {
  return answerSchema.parse(JSON.parse(text)) as ChunkAnswer;
}

/** An earlier request's chunk, found again by its id. */
export interface EarlierChunk extends ChunkAnswer {
  readonly position: Position;
  readonly online: 'APPLIED' | 'PENDING';
}

/** Finds keyed chunks that were written before: in the index, or in the log where the broker said so. */
export class EarlierChunks {
  readonly #store: OnlineStore;
  readonly #log: ChangeLog;
  readonly #region: RegionId;
  readonly #clock: Clock;
  readonly #maxEntries: number;

  constructor(options: {
    store: OnlineStore;
    log: ChangeLog;
    region: RegionId;
    clock: Clock;
    maxEntries: number;
  }) {
    this.#store = options.store;
    this.#log = options.log;
    this.#region = options.region;
    this.#clock = options.clock;
    this.#maxEntries = options.maxEntries;
  }

  /**
   * The earlier chunk of this id, if any within the window. Throws IDEMPOTENCY_KEY_REUSED where its body was another, and
   * IDEMPOTENCY_INDEX_FULL where there is none and no room to remember one.
   */
  async find(id: string, hash: string): Promise<EarlierChunk | undefined> {
    const record = await this.#store.idempotency(id);
    if (record === undefined || record.storedAtMs < this.#clock.nowMs() - IDEMPOTENCY_WINDOW_MS) {
      if ((await this.#store.countIdempotency()) >= this.#maxEntries)
        throw new ProblemError(
          problem('IDEMPOTENCY_INDEX_FULL', 'no further idempotency key can be remembered now', {
            extra: { retryAfterMs: OVERLOADED_RETRY_MS },
          }),
        );
      return undefined;
    }
    assertSameBody(record.bodyHash, hash);
    const { answer, position } = parseIndexed(record.answer);
    return { ...answer, position, online: 'APPLIED' };
  }

  /** The chunk that the broker named when it refused a duplicate (a race, or the first one's record is not written yet). */
  async ofLog(sequence: number, hash: string): Promise<EarlierChunk> {
    const message = await this.#log.messageAt(sequence);
    if (message?.source.kind !== 'own' || message.bodyHash === undefined || message.answer === undefined)
      throw new ProblemError(
        problem('LOG_UNAVAILABLE', 'the earlier write with this key cannot be read now'),
      );
    assertSameBody(message.bodyHash, hash);
    const position = ownPosition(message, this.#region, this.#log.feedEpoch);
    const applied = await this.#store.appliedPosition(position).catch(() => 0);
    return {
      ...parseAnswer(message.answer),
      position,
      online: applied >= sequence ? 'APPLIED' : 'PENDING',
    };
  }
}

function assertSameBody(first: string, now: string): void {
  if (first === now) return;
  throw new ProblemError(
    problem('IDEMPOTENCY_KEY_REUSED', 'the idempotency key was used for another body within 24 hours'),
  );
}

function ownPosition(message: LogMessage, origin: RegionId, feedEpoch: string): Position {
  const appender = message.source.kind === 'own' ? message.source.slot : 0;
  return { origin, feedEpoch, groupId: message.groupId, appender, sequence: message.sequence };
}
