import { decodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import { IDEMPOTENCY_WINDOW_MS, MAX_ENTITY_KEY_BYTES } from '@featuremesh/domain/limits';
import { rowStampUs } from '@featuremesh/domain/packed-row';
import type { Position } from '@featuremesh/domain/position';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { type RegionId, regionId } from '@featuremesh/domain/region-id';
import { cutOffMs, retainedRows } from '@featuremesh/domain/retention';
import { CURSOR_TOKEN } from '@featuremesh/domain/subjects';
import type { Clock } from '@featuremesh/runtime/clock';
import type { LogMessage } from '../ports/change-log.ts';
import type { ApplyStep, IdempotencyRecord, StoredRow, TableRef } from '../ports/online-store.ts';
import type { HeldGroups } from './held-groups.ts';
import { formatIndexed } from './idempotency.ts';

/** A step without what fences and counts it: who applies it adds lease and watermark. */
export type BareStep = Pick<ApplyStep, 'table' | 'rows' | 'positions' | 'idempotency'>;

const NO_TABLE: TableRef = { groupId: '', version: 0, generation: 0 };

/** A step that applies nothing. */
export const NO_STEP: BareStep = { table: NO_TABLE, rows: [] };

/** Turns messages of the log into steps of the online store. */
export class ReplaySteps {
  readonly #groups: HeldGroups;
  readonly #region: RegionId;
  readonly #feedEpoch: string;
  readonly #clock: Clock;

  constructor(options: { groups: HeldGroups; region: RegionId; feedEpoch: string; clock: Clock }) {
    this.#groups = options.groups;
    this.#region = options.region;
    this.#feedEpoch = options.feedEpoch;
    this.#clock = options.clock;
  }

  /**
   * The step of a message; without rows where this region may not hold them. Undefined while the group version or its table is not
   * known here: ask again later, the message must not be passed over. Throws CORRUPT_DATA for a body that is no chunk.
   */
  stepOf(message: LogMessage): BareStep | undefined {
    const { source } = message;
    if (message.groupId === CURSOR_TOKEN) {
      // The last page of a snapshot may hold no rows and still say what the snapshot covers.
      const positions = source.kind === 'in' ? (source.cursor.watermarks ?? []) : [];
      return { table: NO_TABLE, rows: [], positions };
    }
    const origin = source.kind === 'own' ? this.#region : regionId(source.cursor.origin);
    const holding = this.#groups.holding(message.groupId, message.version, origin);
    if (holding.kind === 'unknown') return undefined;
    const positions = this.#positionsOf(message, origin);
    const idempotency = this.#idempotencyOf(message, positions[0]);
    const nowMs = this.#clock.nowMs();
    const held = holding.kind === 'held';
    return {
      table: held ? holding.table : NO_TABLE,
      rows: held ? retainedRows(applicableRows(message.body), cutOffMs(holding.group, nowMs)) : [],
      positions,
      ...(idempotency === undefined ? {} : { idempotency }),
    };
  }

  #positionsOf({ source, sequence, groupId }: LogMessage, origin: RegionId): readonly Position[] {
    if (source.kind === 'own')
      return [{ origin, feedEpoch: this.#feedEpoch, groupId, appender: source.slot, sequence }];
    const { appenders, feedEpoch, watermarks } = source.cursor;
    const covered = Object.entries(appenders).map(([appender, through]) => ({
      origin,
      feedEpoch,
      groupId,
      appender: Number(appender),
      sequence: through,
    }));
    return [...covered, ...(watermarks ?? [])];
  }

  #idempotencyOf(message: LogMessage, position: Position | undefined): IdempotencyRecord | undefined {
    const { idempotencyId, bodyHash, answer, appendedAtMs } = message;
    if (idempotencyId === undefined || bodyHash === undefined || answer === undefined) return undefined;
    if (position === undefined) return undefined;
    if (appendedAtMs < this.#clock.nowMs() - IDEMPOTENCY_WINDOW_MS) return undefined;
    return { id: idempotencyId, bodyHash, answer: formatIndexed(answer, position), storedAtMs: appendedAtMs };
  }
}

/** Physical part of the latest stamp in a chunk of own rows, µs, in which they stand in any order; 0 where the body is no chunk. */
export function latestStampUs(body: Uint8Array): bigint {
  let latestUs = 0n;
  for (const { row } of decodedRows(body) ?? []) {
    const stampUs = rowStampUs(row);
    if (stampUs > latestUs) latestUs = stampUs;
  }
  return latestUs;
}

/** Throws CORRUPT_DATA too where a key is none that a store takes: its step would fail for ever and hold up all that comes behind it. */
function applicableRows(body: Uint8Array): readonly StoredRow[] {
  const rows = decodeFeedChunk(body);
  const strange = rows.findIndex(({ key }) => key.length === 0 || key.length > MAX_ENTITY_KEY_BYTES);
  if (strange < 0) return rows;
  throw new ProblemError(problem('CORRUPT_DATA', `row ${strange} has a key of no permitted length`));
}

function decodedRows(body: Uint8Array): readonly StoredRow[] | undefined {
  try {
    return decodeFeedChunk(body);
  } catch (error) {
    if (error instanceof ProblemError && error.problem.code === 'CORRUPT_DATA') return undefined;
    throw error;
  }
}
