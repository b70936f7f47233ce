import { encodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import type { Position } from '@featuremesh/domain/position';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { cutOffMs, retainedRows } from '@featuremesh/domain/retention';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { ChangeLog } from '../ports/change-log.ts';
import type { IdempotencyRecord, StoredRow } from '../ports/online-store.ts';
import type { ChunkGate } from './chunk-gate.ts';
import type { CommitTraces } from './commit-traces.ts';
import { GroupCommit } from './group-commit.ts';
import {
  type EarlierChunk,
  type EarlierChunks,
  formatAnswer,
  formatIndexed,
  idempotencyId,
} from './idempotency.ts';
import { MAX_SHARED_ROWS, OVERLOADED_RETRY_MS } from './ingest-limits.ts';
import type { OwnWriteOutcome } from './own-applier.ts';
import type { OwnedSlot } from './slot-owner.ts';
import type { OutgoingChunk, WrittenChunk } from './write-run.ts';
import type { WriteTarget } from './write-targets.ts';

/** What a sender works with. */
export interface ChunkSenderOptions {
  readonly log: ChangeLog;
  readonly gate: ChunkGate;
  readonly earlier: EarlierChunks;
  readonly slot: number;
  readonly region: RegionId;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Undefined where tracing is off. */
  readonly traces: CommitTraces | undefined;
}

/** What all chunks of one request share; `key` and `caller` identify a keyed write. */
export interface SendContext {
  readonly target: WriteTarget;
  readonly owned: () => OwnedSlot;
  /** Throws where the group may no longer be written here. */
  readonly assertPermitted: () => void;
  readonly caller: string;
  readonly key: string | undefined;
}

/** Brings one chunk into the log and the online store, or finds that an earlier request did (A2). */
export class ChunkSender {
  readonly #options: ChunkSenderOptions;
  readonly #together: GroupCommit<SendContext, OwnWriteOutcome>;

  constructor(options: ChunkSenderOptions) {
    this.#options = options;
    this.#together = new GroupCommit((request, rows, logged) => this.#append(rows, { request, logged }));
  }

  /**
   * Waits for room, then appends and applies. Throws a ProblemError where the chunk is not in the log, or where that is not known:
   * LOG_UNAVAILABLE, LOG_FULL, NOT_ENFORCED_YET, IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_INDEX_FULL, STORE_UNAVAILABLE (keyed only).
   */
  async send(chunk: OutgoingChunk, context: SendContext): Promise<WrittenChunk> {
    const { gate, metrics } = this.#options;
    const leave = await gate.enter({ rows: chunk.rows.length, bytes: chunk.bytes });
    metrics.gauge('featuremesh_chunks_in_flight', {}, gate.chunks);
    try {
      return await this.#write(chunk, context);
    } finally {
      leave();
      metrics.gauge('featuremesh_chunks_in_flight', {}, gate.chunks);
    }
  }

  async #write(chunk: OutgoingChunk, context: SendContext): Promise<WrittenChunk> {
    const keyed = keyOf(chunk, context);
    if (keyed !== undefined) {
      const earlier = await this.#options.earlier.find(keyed.id, keyed.bodyHash);
      if (earlier !== undefined) return replayed(earlier);
    }
    if (chunk.rows.length === 0)
      return { accepted: 0, duplicates: 0, rejected: chunk.rejected, position: undefined, online: 'APPLIED' };
    this.#options.traces?.note(chunk.rows);
    // A keyed chunk is a message of its own: its id is the broker's, its answer stands in the header.
    const alone = keyed !== undefined || chunk.rows.length > MAX_SHARED_ROWS;
    const outcome = await (alone
      ? this.#append(chunk.rows, { request: context, keyed })
      : this.#together.commit(tableName(context.target), context, chunk.rows));
    switch (outcome.kind) {
      case 'stored':
        return {
          accepted: chunk.rows.length,
          duplicates: 0,
          rejected: chunk.rejected,
          position: this.#positionOf(context.target, outcome.sequence),
          online: outcome.online,
        };
      case 'duplicate':
        return replayed(await this.#options.earlier.ofLog(outcome.sequence, chunk.bodyHash ?? ''));
      default:
        throw notStored(outcome, context.target.group.definition.name);
    }
  }

  #append(rows: readonly StoredRow[], append: Append): Promise<OwnWriteOutcome> {
    const { traces } = this.#options;
    if (traces === undefined) return this.#store(rows, append);
    return traces.commit(rows, append.request.target.table, () => this.#store(rows, append));
  }

  async #store(rows: readonly StoredRow[], { request, keyed, logged }: Append): Promise<OwnWriteOutcome> {
    const { target, owned, assertPermitted } = request;
    assertPermitted();
    const { slot, clock } = this.#options;
    const { group, table } = target;
    const append = { groupId: group.id, version: group.version, slot, body: encodeFeedChunk(rows) };
    const message =
      keyed === undefined
        ? append
        : { ...append, idempotencyId: keyed.id, bodyHash: keyed.bodyHash, answer: keyed.answer };
    return owned().applier.write(message, sequence => {
      logged?.();
      const position = this.#positionOf(target, sequence);
      const nowMs = clock.nowMs();
      return {
        table,
        rows: retainedRows(rows, cutOffMs(group, nowMs)),
        positions: [position],
        ...(keyed === undefined ? {} : { idempotency: recordOf(keyed, position, nowMs) }),
      };
    });
  }

  #positionOf({ group }: WriteTarget, sequence: number): Position {
    const { region, log, slot } = this.#options;
    return { origin: region, feedEpoch: log.feedEpoch, groupId: group.id, appender: slot, sequence };
  }
}

interface Append {
  readonly request: SendContext;
  readonly keyed?: KeyedChunk | undefined;
  readonly logged?: () => void;
}

/** Rows of different requests share a message only where the same table and the same revision's retention take them. */
function tableName({ group, table }: WriteTarget): string {
  return `${group.id}@${group.version}.${group.revision}#${table.generation}`;
}

interface KeyedChunk {
  readonly id: string;
  readonly bodyHash: string;
  readonly answer: string;
}

function keyOf(chunk: OutgoingChunk, { key, caller, target }: SendContext): KeyedChunk | undefined {
  if (key === undefined || chunk.bodyHash === undefined) return undefined;
  const { id: groupId, version } = target.group;
  return {
    id: idempotencyId({ caller, groupId, version, key, ordinal: chunk.ordinal }),
    bodyHash: chunk.bodyHash,
    answer: formatAnswer({ accepted: chunk.rows.length, rejected: chunk.rejected }),
  };
}

function recordOf(keyed: KeyedChunk, position: Position, storedAtMs: number): IdempotencyRecord {
  return {
    id: keyed.id,
    bodyHash: keyed.bodyHash,
    answer: formatIndexed(keyed.answer, position),
    storedAtMs,
  };
}

function replayed(earlier: EarlierChunk): WrittenChunk {
  const { accepted, rejected, position, online } = earlier;
  return { accepted: 0, duplicates: accepted, rejected, position, online };
}

function notStored(
  outcome: Extract<OwnWriteOutcome, { kind: 'refused' | 'unknown' }>,
  group: string,
): ProblemError {
  const extra = { retryAfterMs: OVERLOADED_RETRY_MS };
  if (outcome.kind === 'unknown')
    return new ProblemError(
      problem('LOG_UNAVAILABLE', 'the change log did not answer; the rows may or may not be accepted', {
        extra,
      }),
    );
  switch (outcome.reason) {
    case 'group':
      return new ProblemError(
        problem('NOT_ENFORCED_YET', `the broker does not accept rows of ${group}`, { extra }),
      );
    case 'full':
      return new ProblemError(problem('LOG_FULL', 'the change log is full'));
    case 'unavailable':
      return new ProblemError(problem('LOG_UNAVAILABLE', 'the change log cannot be reached', { extra }));
  }
}
