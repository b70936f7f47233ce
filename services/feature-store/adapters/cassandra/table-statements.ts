import { tableName } from '@featuremesh/domain/subjects';
import type { TableRef } from '../../ports/online-store.ts';

const PATTERN = /^g_([a-z2-7]{16})_v(\d{1,5})_p(\d{1,9})$/;

/** The name of a group's table in the keyspace. */
export function nameOfTable({ groupId, version, generation }: TableRef): string {
  return tableName(groupId, version, generation);
}

/** The group's table that a name stands for; undefined for tables that hold records. */
export function tableOfName(name: string): TableRef | undefined {
  const match = PATTERN.exec(name);
  const [, groupId, version, generation] = match ?? [];
  if (groupId === undefined) return undefined;
  return { groupId, version: Number(version), generation: Number(generation) };
}

/**
 * A group's table: one packed value per key, so that no row is ever torn. Rows are overwritten and read one by one, for which levels
 * keep each key in few files. No default time to live: whether a row is too old is judged at read (A4).
 *
 * A node that asks one which has just died asks another after a fifth of a second at the latest: what is usual, by which it would judge else, may be
 * seconds where few were asked, most of them while the cluster started.
 */
export function createTable(keyspace: string, name: string): string {
  return `CREATE TABLE IF NOT EXISTS ${keyspace}.${name} (k blob PRIMARY KEY, v blob) WITH compaction = {'class': 'LeveledCompactionStrategy'} AND speculative_retry = 'MIN(99p,200ms)' AND comment = 'featuremesh rows'`;
}

/** What is asked of one group's table, by its full name. */
export interface TableStatements {
  /** Values: key, row, event time in µs, by which the server lets the newest stay; equal times fall to the greater bytes (A3). */
  readonly write: string;
  readonly readOne: string;
  readonly readSome: string;
  readonly scanStart: string;
  readonly scanAfter: string;
  readonly count: string;
  /** Values: event time in µs of the row that is removed, key. */
  readonly remove: string;
}

/** The statements of a table; the same text each time, since the driver prepares by text. */
export function statementsOf(keyspace: string, table: TableRef): TableStatements {
  const name = `${keyspace}.${nameOfTable(table)}`;
  return {
    write: `INSERT INTO ${name} (k, v) VALUES (?, ?) USING TIMESTAMP ?`,
    readOne: `SELECT v FROM ${name} WHERE k = ?`,
    readSome: `SELECT k, v FROM ${name} WHERE k IN ?`,
    scanStart: `SELECT k, v, token(k) AS t FROM ${name} LIMIT ?`,
    scanAfter: `SELECT k, v, token(k) AS t FROM ${name} WHERE token(k) >= token(?) LIMIT ?`,
    count: `SELECT count(*) AS n FROM ${name}`,
    remove: `DELETE FROM ${name} USING TIMESTAMP ? WHERE k = ?`,
  };
}
