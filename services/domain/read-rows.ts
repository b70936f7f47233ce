import { MAX_READ_ROWS } from './limits.ts';
import { problem } from './problem.ts';
import type { ReadSelection } from './read-selection.ts';
import { fail, ok, type Result } from './result.ts';

/** The distinct entity keys that one selection needs, and which of them each request row means. */
export interface DistinctKeys {
  /** Values per join key in the order of the group's join keys; position i of all of them is distinct key i. */
  readonly columns: readonly (readonly unknown[])[];
  /** The same keys as the store has them. */
  readonly encoded: readonly Uint8Array[];
  /** Per request row, the position of its key. */
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
  const { group, requestKeys, encoder } = selection;
  const asked: unknown[] = [];
  for (let i = 0; i < requestKeys.length; i++) {
    const requestKey = requestKeys[i] ?? '';
    if (!Object.hasOwn(keys, requestKey)) {
      const message = `join key ${group.joinKeys[i]?.name} of ${group.definition.name} needs the request key ${requestKey}`;
      return fail(problem('MISSING_KEY', message, { issues: [{ path: `keys.${requestKey}`, message }] }));
    }
    asked.push(keys[requestKey]);
  }
  const columns: unknown[][] = asked.map(() => []);
  const encodedKeys: Uint8Array[] = [];
  const rowIndex: number[] = [];
  const positions = new Map<unknown, number>();
  const scalar = asked.every(column => !Array.isArray(column));
  for (let row = 0; row < rows; row++) {
    const identity = scalar ? 0 : identityOf(asked, row);
    const known = positions.get(identity);
    if (known !== undefined) {
      rowIndex.push(known);
      continue;
    }
    const encoded = encoder.encodeRow(asked, row);
    if (!encoded.ok) {
      const { code, detail } = encoded.problem;
      return fail(
        problem(code, `row ${row}: ${detail}`, { issues: [{ path: `keys[row ${row}]`, message: detail }] }),
      );
    }
    positions.set(identity, encodedKeys.length);
    rowIndex.push(encodedKeys.length);
    encodedKeys.push(encoded.value);
    for (let i = 0; i < columns.length; i++) columns[i]?.push(valueAt(asked[i], row));
  }
  return ok({ columns, encoded: encodedKeys, rowIndex });
}

function valueAt(column: unknown, row: number): unknown {
  return Array.isArray(column) ? column[row] : column;
}

/** Equal for rows of one key; rows of one key may differ in it, which costs a key read twice and nothing else. */
function identityOf(asked: readonly unknown[], row: number): unknown {
  if (asked.length === 1) return valueAt(asked[0], row);
  return JSON.stringify(asked.map(column => valueAt(column, row)));
}

/** The part of distinct keys whose positions `keep` admits: their values, and per row the new position or −1. */
export function partOf(distinct: DistinctKeys, keep: (position: number) => boolean): DistinctKeys {
  const moved = new Map<number, number>();
  for (let position = 0; position < distinct.encoded.length; position++)
    if (keep(position)) moved.set(position, moved.size);
  return {
    columns: distinct.columns.map(column => column.filter((_, position) => moved.has(position))),
    encoded: distinct.encoded.filter((_, position) => moved.has(position)),
    rowIndex: distinct.rowIndex.map(position => moved.get(position) ?? -1),
  };
}

/** `rowIndex`, or null where position and row are the same throughout. */
export function withoutIdentity(rowIndex: readonly number[]): readonly number[] | null {
  return rowIndex.every((position, row) => position === row) ? null : rowIndex;
}
