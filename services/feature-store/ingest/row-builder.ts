import type { AcceptedStamp } from '@featuremesh/domain/hybrid-clock';
import { MAX_CLOCK_SKEW_MS } from '@featuremesh/domain/limits';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { parseTimestamp, parseTimestampMicros } from '@featuremesh/domain/timestamp';
import type { StoredRow } from '../ports/online-store.ts';
import { DuplicateRows } from './duplicate-rows.ts';
import { DUPLICATE_WINDOW_ROWS } from './ingest-limits.ts';
import type { WriteTarget } from './write-targets.ts';

type Members = Readonly<Record<string, unknown>>;

const EMPTY: Members = {};
const MEMBERS: ReadonlySet<string> = new Set(['key', 'eventTime', 'createdTime', 'features', 'deleted']);
const MALFORMED = problem(
  'MALFORMED_ROW',
  'a row is {"key": {…}, "eventTime": "…", "createdTime"?: "…", "features": {…}} or {"key", "eventTime", "deleted": true}',
);
const NO_KEY = problem('MISSING_KEY', 'the row has no key');
const NO_EVENT_TIME = problem('INVALID_EVENT_TIME', 'eventTime must be RFC 3339 with a zone');
const BAD_CREATED_TIME = problem('INVALID_CREATED_TIME', 'createdTime must be RFC 3339 with a zone');
const EVENT_IN_FUTURE = problem(
  'EVENT_TIME_IN_FUTURE',
  `eventTime is more than ${MAX_CLOCK_SKEW_MS} ms ahead`,
);
const CREATED_IN_FUTURE = problem(
  'CREATED_TIME_IN_FUTURE',
  `createdTime is more than ${MAX_CLOCK_SKEW_MS} ms ahead`,
);
const DUPLICATE = problem('DUPLICATE_ROW', 'an earlier row has the same key, event time and created time');

/** What a builder of one request's rows needs. */
export interface RowBuilderOptions {
  readonly target: WriteTarget;
  readonly nonFinite: 'refuse' | 'null';
  readonly region: RegionId;
  readonly state: MeshState;
  readonly nextStamp: () => AcceptedStamp;
}

/** Turns the parsed rows of one request into packed rows, or says what is wrong with each; never throws for an input. */
export class RowBuilder {
  readonly #options: RowBuilderOptions;
  readonly #duplicates = new DuplicateRows(DUPLICATE_WINDOW_ROWS);
  readonly #pack: { readonly nonFinite: 'refuse' | 'null' };
  #boundUs = 0;

  constructor(options: RowBuilderOptions) {
    this.#options = options;
    this.#pack = { nonFinite: options.nonFinite };
  }

  /** Sets the time against which event and created times of the following rows are judged. */
  setNowMs(nowMs: number): void {
    this.#boundUs = (nowMs + MAX_CLOCK_SKEW_MS) * 1_000;
  }

  /** Problems: the row codes of the error catalogue; WRONG_REGION carries `region` and `publicUrl` in `extra`. */
  build(raw: unknown): Result<StoredRow> {
    const row = asMembers(raw);
    if (row === undefined) return fail(MALFORMED);
    for (const name in row) if (!MEMBERS.has(name)) return fail(MALFORMED);
    const { target, nextStamp } = this.#options;
    const values = row['key'] === undefined ? undefined : asMembers(row['key']);
    if (values === undefined) return fail(row['key'] === undefined ? NO_KEY : MALFORMED);
    const elsewhere = target.regionKey === undefined ? undefined : this.#elsewhere(target.regionKey, values);
    const key = target.keys.encode(values);
    if (!key.ok) return key;
    if (elsewhere !== undefined) return fail(elsewhere);

    const eventTimeUs = micros(row['eventTime']);
    if (eventTimeUs === undefined) return fail(NO_EVENT_TIME);
    if (eventTimeUs > this.#boundUs) return fail(EVENT_IN_FUTURE);
    const createdTimeUs = row['createdTime'] === undefined ? undefined : micros(row['createdTime']);
    if (createdTimeUs === undefined && row['createdTime'] !== undefined) return fail(BAD_CREATED_TIME);
    if (createdTimeUs !== undefined && createdTimeUs > this.#boundUs) return fail(CREATED_IN_FUTURE);

    const stamp = nextStamp();
    const times = {
      eventTimeUs: BigInt(eventTimeUs),
      createdTimeUs: createdTimeUs === undefined ? stamp.physicalUs : BigInt(createdTimeUs),
      stamp,
    };
    const packed = this.#packed(row, times);
    if (!packed.ok) return packed;
    if (this.#duplicates.seen(key.value, eventTimeUs, createdTimeUs)) return fail(DUPLICATE);
    return ok({ key: key.value, row: packed.value });
  }

  #packed(row: Members, times: Parameters<WriteTarget['packer']['packDeletion']>[0]): Result<Uint8Array> {
    const { packer } = this.#options.target;
    const features = row['features'];
    if (row['deleted'] !== undefined) {
      if (row['deleted'] !== true || features !== undefined) return fail(MALFORMED);
      return ok(packer.packDeletion(times));
    }
    const values = features === undefined ? EMPTY : asMembers(features);
    return values === undefined ? fail(MALFORMED) : packer.pack(times, values, this.#pack);
  }

  /** Why a row whose key names a region may not be written here; undefined where it may, or the key is judged elsewhere. */
  #elsewhere(regionKey: string, values: Members): Problem | undefined {
    const { region, state, target } = this.#options;
    const named = Object.hasOwn(values, regionKey) ? values[regionKey] : undefined;
    if (typeof named !== 'string' || named === region) return undefined;
    const home = state.regions.find(info => info.id === named);
    if (home === undefined || !target.placement.placement.includes(home.id))
      return problem('UNKNOWN_REGION', `join key ${regionKey} names no region that may hold the row`);
    return problem('WRONG_REGION', `the row resides in ${home.id}; write it to ${home.publicUrl}`, {
      extra: { region: home.id, publicUrl: home.publicUrl },
    });
  }
}

function asMembers(value: unknown): Members | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Members)
    : undefined;
}

/** Microseconds of a timestamp; a bigint only outside the years 1685 to 2255. */
function micros(value: unknown): number | bigint | undefined {
  if (typeof value !== 'string') return undefined;
  const us = parseTimestampMicros(value);
  return Number.isSafeInteger(us) ? us : parseTimestamp(value);
}
