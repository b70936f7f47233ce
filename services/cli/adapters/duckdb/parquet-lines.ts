import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { type ColumnMapping, toRow } from '../../import/column-mapping.ts';
import type { RowLine } from '../../import/row-lines.ts';

/** Memory that the reader may use; it streams row groups. */
const MEMORY_LIMIT = '512MB';
const TIMES = /^(TIMESTAMP|DATE)/;

/** A Parquet file opened for import: its row count, and its rows in file order as lines of the rows API. */
export interface ParquetSource {
  readonly rows: number;
  lines(): AsyncGenerator<RowLine>;
  close(): void;
}

/** Opens a Parquet file. INVALID_REQUEST where it cannot be read or lacks a mapped column. */
export async function openParquet(path: string, mapping: ColumnMapping): Promise<ParquetSource> {
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: MEMORY_LIMIT,
    threads: '1',
    preserve_insertion_order: 'true',
  });
  const connection = await instance.connect();
  try {
    const file = quoteText(path);
    const columns = await describe(connection, file);
    refuseUnknown(mapping, columns);
    const counted = await connection.runAndReadAll(`SELECT count(*)::INTEGER FROM read_parquet(${file})`);
    const rows = Number(counted.getRows()[0]?.[0] ?? 0);
    const select = [...columns]
      .map(([name, type]) => `${asJson(name, type)} AS ${quoteName(name)}`)
      .join(', ');
    return {
      rows,
      lines: () => lines(connection, `SELECT ${select} FROM read_parquet(${file})`, mapping),
      close: () => {
        connection.closeSync();
        instance.closeSync();
      },
    };
  } catch (error) {
    connection.closeSync();
    instance.closeSync();
    if (error instanceof ProblemError) throw error;
    throw new ProblemError(problem('INVALID_REQUEST', `${path} cannot be read as Parquet`), { cause: error });
  }
}

async function* lines(
  connection: DuckDBConnection,
  sql: string,
  mapping: ColumnMapping,
): AsyncGenerator<RowLine> {
  const result = await connection.stream(sql);
  let number = 0;
  for await (const records of result.yieldRowObjectJson()) {
    for (const record of records) {
      number += 1;
      yield { line: JSON.stringify(toRow(record, mapping)), number, done: 1 };
    }
  }
}

async function describe(connection: DuckDBConnection, file: string): Promise<ReadonlyMap<string, string>> {
  const result = await connection.runAndReadAll(`DESCRIBE SELECT * FROM read_parquet(${file})`);
  return new Map(result.getRows().map(row => [String(row[0]), String(row[1])]));
}

/** Times become RFC 3339 in UTC, bytes base64, decimals doubles; everything else is JSON already (int64 as text). */
function asJson(name: string, type: string): string {
  const column = quoteName(name);
  if (TIMES.test(type)) {
    const utc = type.includes('WITH TIME ZONE') ? `(${column} AT TIME ZONE 'UTC')` : `${column}::TIMESTAMP`;
    return `strftime(${utc}, '%Y-%m-%dT%H:%M:%S.%fZ')`;
  }
  if (type === 'BLOB') return `base64(${column})`;
  if (type.startsWith('DECIMAL')) return `${column}::DOUBLE`;
  return column;
}

function refuseUnknown(mapping: ColumnMapping, columns: ReadonlyMap<string, string>): void {
  const wanted = [
    ...mapping.keys.values(),
    mapping.eventTime,
    ...(mapping.createdTime === undefined ? [] : [mapping.createdTime]),
    ...(mapping.features?.values() ?? []),
  ];
  const unknown = wanted.filter(name => !columns.has(name));
  if (unknown.length === 0) return;
  throw new ProblemError(
    problem(
      'INVALID_REQUEST',
      `the file has no column ${unknown.join(', ')}; it has ${[...columns.keys()].join(', ')}`,
    ),
  );
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
