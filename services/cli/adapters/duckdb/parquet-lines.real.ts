import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from 'vitest';
import { columnMapping } from '../../import/column-mapping.ts';
import { openParquet } from './parquet-lines.ts';

async function parquet(select: string): Promise<string> {
  const path = join(mkdtempSync(join(tmpdir(), "fm it's ")), 'rows.parquet');
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  await connection.run(
    `COPY (${select}) TO '${path.replaceAll("'", "''")}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`,
  );
  connection.closeSync();
  return path;
}

function mapping(features: readonly string[] = []) {
  const made = columnMapping({
    keyColumns: ['airport=origin'],
    eventTimeColumn: 'at',
    createdTimeColumn: undefined,
    featureColumns: features,
  });
  if (made === undefined) throw new Error('no mapping');
  return made;
}

test('every column type becomes the JSON that the rows API takes', async () => {
  const path = await parquet(
    `SELECT 'SEA' AS origin, TIMESTAMP '2001-01-02 03:04:05.678901' AS at, 9007199254740993::BIGINT AS big, 2.5::DECIMAL(9,2) AS money,
     TIMESTAMPTZ '2001-01-02 03:04:05+01' AS zoned, '\\x01\\xFF'::BLOB AS bytes, [1.5::FLOAT, 2] AS vector, NULL::INTEGER AS nothing, true AS flag`,
  );
  const source = await openParquet(path, mapping());
  const lines: { line: string }[] = [];
  for await (const line of source.lines()) lines.push(line);
  source.close();
  expect(source.rows).toBe(1);
  expect(JSON.parse(lines[0]?.line ?? '')).toEqual({
    key: { airport: 'SEA' },
    eventTime: '2001-01-02T03:04:05.678901Z',
    features: {
      big: '9007199254740993',
      money: 2.5,
      zoned: '2001-01-02T02:04:05.000000Z',
      bytes: 'Af8=',
      vector: [1.5, 2],
      nothing: null,
      flag: true,
    },
  });
});

test('rows come in the order of the file, across row groups, so that a second run cuts the same requests', async () => {
  const path = await parquet(
    `SELECT 'SEA' AS origin, TIMESTAMP '2001-01-01' AS at, i::INTEGER AS number FROM range(10000) t(i)`,
  );
  const source = await openParquet(path, mapping(['number']));
  let expected = 0;
  for await (const { line } of source.lines()) {
    expect((JSON.parse(line) as { features: { number: number } }).features.number).toBe(expected);
    expected += 1;
  }
  source.close();
  expect(expected).toBe(source.rows);
});

test('a missing column and a file that is no Parquet are named', async () => {
  const path = await parquet(`SELECT 'SEA' AS origin, TIMESTAMP '2001-01-01' AS at`);
  await expect(openParquet(path, mapping(['delay']))).rejects.toThrow(/no column delay; it has origin, at/);
  await expect(openParquet(import.meta.filename, mapping())).rejects.toThrow(/cannot be read as Parquet/);
});
