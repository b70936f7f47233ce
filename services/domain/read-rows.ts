import { KeyEncoder } from './entity-key.ts';
import { MAX_READ_ROWS } from './limits.ts';
import { problem } from './problem.ts';
import type { ReadSelection } from './read-selection.ts';
import { fail, ok, type Result } from './result.ts';

/** The distinct entity keys that one selection needs, and which of them each request row means. */
export interface DistinctKeys {
  readonly joinKeys: readonly string[];
  /** Values per distinct key, in the order of `joinKeys`. */
  readonly tuples: readonly (readonly unknown[])[];
  /** Per request row, its position in `tuples`. */
  readonly rowIndex: readonly number[];
}

/** How many rows a request asks for: the one length of its arrays, or 1 where all keys are scalar. */
export function countRows(keys: Readonly<Record<string, unknown>>): Result<number> {
  let rows: number | undefined;
  for (const [name, value] of Object.entries(keys)) {
    if (!Array.isArray(value)) continue;
    if (rows !== undefined && rows !== value.length) {
      const message = `keys.${name} has ${value.length} values, another key has ${rows}`;
      return fail(problem('UNEQUAL_LENGTHS', message, { issues: [{ path: `keys.${name}`, message }] }));
    }
    rows = value.length;
  }
  const count = rows ?? 1;
  if (count <= MAX_READ_ROWS) return ok(count);
  return fail(problem('TOO_MANY_ROWS', `${count} rows are asked for; the limit is ${MAX_READ_ROWS}`));
}

/** The selection's distinct keys in the order of their first row (V3); every key is validated, none is ever named in a problem. */
export function distinctKeys(
  selection: ReadSelection,
  keys: Readonly<Record<string, unknown>>,
  rows: number,
): Result<DistinctKeys> {
  const { group } = selection;
  const columns: unknown[] = [];
  for (const { name } of group.joinKeys) {
    const requestKey = selection.keys[name] ?? name;
    if (!Object.hasOwn(keys, requestKey)) {
      const message = `join key ${name} of ${group.definition.name} needs the request key ${requestKey}`;
      return fail(problem('MISSING_KEY', message, { issues: [{ path: `keys.${requestKey}`, message }] }));
    }
    columns.push(keys[requestKey]);
  }
  const joinKeys = group.joinKeys.map(({ name }) => name);
  const encoder = new KeyEncoder(group.joinKeys);
  const tuples: unknown[][] = [];
  const rowIndex: number[] = new Array(rows);
  const positions = new Map<unknown, number>();
  const scalar = columns.every(column => !Array.isArray(column));
  for (let row = 0; row < rows; row++) {
    const tuple = columns.map(column => (Array.isArray(column) ? column[row] : column));
    const identity = tuple.length === 1 ? tuple[0] : JSON.stringify(tuple);
    const known = scalar && row > 0 ? 0 : positions.get(identity);
    if (known !== undefined) {
      rowIndex[row] = known;
      continue;
    }
    const encoded = encoder.encode(Object.fromEntries(joinKeys.map((name, i) => [name, tuple[i]])));
    if (!encoded.ok) {
      const { code, detail } = encoded.problem;
      return fail(
        problem(code, `row ${row}: ${detail}`, { issues: [{ path: `keys[row ${row}]`, message: detail }] }),
      );
    }
    positions.set(identity, tuples.length);
    rowIndex[row] = tuples.length;
    tuples.push(tuple);
  }
  return ok({ joinKeys, tuples, rowIndex });
}

/** The part of distinct keys that `keep` admits: their tuples, and per row the new position or −1. */
export function partOf(distinct: DistinctKeys, keep: (tuple: readonly unknown[]) => boolean): DistinctKeys {
  const moved = new Map<number, number>();
  const tuples = distinct.tuples.filter((tuple, i) => {
    if (!keep(tuple)) return false;
    moved.set(i, moved.size);
    return true;
  });
  return { joinKeys: distinct.joinKeys, tuples, rowIndex: distinct.rowIndex.map(i => moved.get(i) ?? -1) };
}

/** `rowIndex`, or null where position and row are the same throughout. */
export function withoutIdentity(rowIndex: readonly number[]): readonly number[] | null {
  return rowIndex.every((position, row) => position === row) ? null : rowIndex;
}
