import { assert } from '@featuremesh/domain/assert';
import { decodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import { IDEMPOTENCY_WINDOW_MS } from '@featuremesh/domain/limits';
import { rowEventTimeMs, rowStampUs } from '@featuremesh/domain/packed-row';
import type { Position } from '@featuremesh/domain/position';
import { type RegionId, regionId } from '@featuremesh/domain/region-id';
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

/** Rows that are younger than the retention cut-off; older ones go to history only (A3). */
export function retainedRows(
  rows: readonly StoredRow[],
  retentionMs: number | undefined,
  nowMs: number,
): readonly StoredRow[] {
  if (retentionMs === undefined) return rows;
  const cutOffMs = nowMs - retentionMs;
  return rows.every(({ row }) => rowEventTimeMs(row) >= cutOffMs)
    ? rows
    : rows.filter(({ row }) => rowEventTimeMs(row) >= cutOffMs);
}

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
      rows: held
        ? retainedRows(decodeFeedChunk(message.body), holding.group.definition.retentionMs, nowMs)
        : [],
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

/** Physical part of the latest stamp in a chunk of own rows, µs; rows of several requests stand in it in any order of stamps. */
export function latestStampUs(body: Uint8Array): bigint {
  let latestUs = 0n;
  for (const { row } of decodeFeedChunk(body)) {
    const stampUs = rowStampUs(row);
    if (stampUs > latestUs) latestUs = stampUs;
  }
  assert(latestUs > 0n, 'a chunk in the log has rows');
  return latestUs;
}
