import { createHash } from 'node:crypto';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Cql } from './cql.ts';

/** Tables beside the groups', with the columns that this version of the product relies on. */
const RECORD_TABLES = {
  fm_schema_versions: { columns: { version: 'int', applied_at_ms: 'bigint' }, key: 'version' },
  // Leases and stamp bounds of the region share one partition, so that a bound can be raised under its lease. Conditional writes only.
  fm_control: {
    columns: {
      scope: 'text',
      name: 'text',
      holder: 'text',
      epoch: 'bigint',
      until_ms: 'bigint',
      bound_us: 'bigint',
    },
    key: 'scope, name',
  },
  fm_watermarks: { columns: { name: 'text', sequence: 'bigint' }, key: 'name' },
  fm_positions: {
    columns: { group_id: 'text', origin: 'text', feed_epoch: 'text', appender: 'int', sequence: 'bigint' },
    key: 'group_id, origin, feed_epoch, appender',
  },
  fm_idempotency: {
    columns: { id: 'text', stored_at_ms: 'bigint', body_hash: 'text', answer: 'text' },
    key: 'id, stored_at_ms',
  },
  fm_idempotency_times: {
    columns: { bucket: 'bigint', stored_at_ms: 'bigint', id: 'text' },
    key: 'bucket, stored_at_ms, id',
  },
  fm_idempotency_buckets: { columns: { part: 'text', bucket: 'bigint' }, key: 'part, bucket' },
  // One partition, so that a commit is one conditional batch: the head's counters and all it counts change together or not at all.
  fm_registry: {
    columns: {
      scope: 'text',
      kind: 'text',
      name: 'text',
      body: 'text',
      id: 'text static',
      version: 'bigint static',
      revision: 'bigint static',
      own_sequence: 'bigint static',
      audits: 'bigint static',
      placed: 'bigint static',
      noted: 'bigint static',
      writer: 'text static',
    },
    key: 'scope, kind, name',
  },
} as const;

type RecordTable = keyof typeof RECORD_TABLES;

/** Tables that must exist before there is a lock to make the others under. */
const FIRST_TABLES: readonly RecordTable[] = ['fm_schema_versions', 'fm_control'];

/** Each step brings a keyspace from the version before to its own; append only. */
const MIGRATIONS: readonly { readonly version: number; readonly tables: readonly RecordTable[] }[] = [
  {
    version: 1,
    tables: [
      'fm_watermarks',
      'fm_positions',
      'fm_idempotency',
      'fm_idempotency_times',
      'fm_idempotency_buckets',
    ],
  },
  { version: 2, tables: ['fm_registry'] },
  // Records of older versions are asked again as those made now are.
  { version: 3, tables: [] },
];

/** The newest schema that this program knows. */
const SCHEMA_VERSION = 3;

/**
 * A node that asks for a record one which has just died asks another so soon: renewals of leases and stamps wait for these reads. By what is
 * usual, Cassandra's own measure, it waited 5 s (measured: records are read seldom, and most often while the cluster starts).
 */
const RECORDS_ASKED_AGAIN = 'MIN(99p,50ms)';

/** Replicas per data centre where nothing is configured: what survives the loss of a node with quorums. */
const DEFAULT_REPLICAS = 3;

/**
 * Which of the keyspaces of one name it is: one that was lost and made anew differs. Undefined where the nodes asked do not know, as in a
 * data centre that was away when it was made.
 */
export interface Incarnation {
  readonly madeAtMs: number | undefined;
}

/** Runs work while no other process changes the schema. */
export type SchemaLock = <T>(work: () => Promise<T>) => Promise<T>;

/** What a schema is brought up with. */
export interface SchemaOptions {
  readonly cql: Cql;
  readonly localDataCentre: string;
  readonly replication: Readonly<Record<string, number>> | undefined;
  readonly nowMs: () => number;
}

/**
 * Makes what is missing of keyspace and tables, step by step under the lock, and refuses what does not fit: a newer schema, a keyspace
 * without replicas here, a table with other columns. Rejects with a ProblemError STORE_UNAVAILABLE or the driver's error.
 */
export async function bringUpSchema(options: SchemaOptions, lock: SchemaLock): Promise<Incarnation> {
  const { cql } = options;
  await ensureKeyspace(options);
  await makeTables(cql, FIRST_TABLES);
  if ((await versionOf(cql)) < SCHEMA_VERSION) {
    await lock(async () => {
      const version = await versionOf(cql);
      for (const step of MIGRATIONS) if (step.version > version) await migrate(options, step);
    });
  }
  return verifySchema(cql);
}

/**
 * Gives which keyspace of this name it is. Rejects with STORE_UNAVAILABLE where the schema is newer than this program, or has drifted
 * from it; names what differs.
 */
export async function verifySchema(cql: Cql): Promise<Incarnation> {
  const versions = await versionsOf(cql);
  const version = newestOf(versions);
  if (version > SCHEMA_VERSION)
    throw drift(`has schema version ${version}; this program knows ${SCHEMA_VERSION}: run a newer one`);
  const found = await columnsOf(cql);
  for (const [table, { columns }] of Object.entries(RECORD_TABLES)) {
    const present = found.get(table);
    if (present === undefined) throw drift(`lacks its table ${table}`);
    for (const [column, declared] of Object.entries(columns)) {
      const type = declared.replace(' static', '');
      const is = present.get(column);
      if (is !== type)
        throw drift(`has drifted: column ${table}.${column} is ${is ?? 'missing'}, and should be ${type}`);
    }
  }
  return { madeAtMs: versions.get(MIGRATIONS[0]?.version ?? 0) };
}

/** True where there is no keyspace of the name any more: all that it held is gone. */
export async function isGone(cql: Cql): Promise<boolean> {
  return (await replicationOf(cql)) === undefined;
}

async function ensureKeyspace({ cql, localDataCentre, replication }: SchemaOptions): Promise<void> {
  const existing = await replicationOf(cql);
  if (existing !== undefined) {
    if (Number(existing[localDataCentre] ?? 0) > 0) return;
    throw drift(`keeps no replicas in the data centre ${localDataCentre}; alter its replication`);
  }
  const wanted = replication ?? defaultReplication(cql);
  const pairs = Object.entries(wanted).map(([name, replicas]) => `'${name}': ${replicas}`);
  await cql.define(
    `CREATE KEYSPACE IF NOT EXISTS ${cql.keyspace} WITH replication = {'class': 'NetworkTopologyStrategy', ${pairs.join(', ')}}`,
  );
}

function defaultReplication(cql: Cql): Record<string, number> {
  return Object.fromEntries(
    [...cql.dataCentres()].map(([name, nodes]) => [name, Math.min(nodes, DEFAULT_REPLICAS)]),
  );
}

async function replicationOf(cql: Cql): Promise<Record<string, string> | undefined> {
  const { rows } = await cql.inspect(
    'SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?',
    [cql.keyspace],
  );
  return rows[0]?.['replication'] as Record<string, string> | undefined;
}

async function migrate({ cql, nowMs }: SchemaOptions, step: (typeof MIGRATIONS)[number]): Promise<void> {
  await makeTables(cql, step.tables);
  if (step.version === 3) await askAgainSooner(cql);
  await cql.inspect(`INSERT INTO ${cql.keyspace}.fm_schema_versions (version, applied_at_ms) VALUES (?, ?)`, [
    step.version,
    BigInt(nowMs()),
  ]);
}

async function makeTables(cql: Cql, tables: readonly RecordTable[]): Promise<void> {
  const present = await columnsOf(cql);
  for (const table of tables) if (!present.has(table)) await cql.define(recordTable(cql.keyspace, table));
}

async function askAgainSooner(cql: Cql): Promise<void> {
  const { rows } = await cql.inspect(
    'SELECT table_name, speculative_retry FROM system_schema.tables WHERE keyspace_name = ?',
    [cql.keyspace],
  );
  for (const row of rows) {
    const name = String(row['table_name']);
    const isAsNow = String(row['speculative_retry']).toLowerCase().startsWith('min(');
    if (name in RECORD_TABLES && !isAsNow)
      await cql.define(
        `ALTER TABLE ${cql.keyspace}.${name} WITH speculative_retry = '${RECORDS_ASKED_AGAIN}'`,
      );
  }
}

/**
 * A table made under an identity of its own name is the same table on every node that happens to make it at once: the first ones
 * are made before there is a lock.
 */
function recordTable(keyspace: string, table: RecordTable): string {
  const { columns, key } = RECORD_TABLES[table];
  const listed = Object.entries(columns).map(([name, type]) => `${name} ${type}`);
  const digest = createHash('md5').update(`${keyspace}.${table}`).digest('hex');
  const id = `${digest.slice(0, 8)}-${digest.slice(8, 12)}-1${digest.slice(13, 16)}-a${digest.slice(17, 20)}-${digest.slice(20)}`;
  return `CREATE TABLE IF NOT EXISTS ${keyspace}.${table} (${listed.join(', ')}, PRIMARY KEY (${key})) WITH id = ${id} AND speculative_retry = '${RECORDS_ASKED_AGAIN}' AND comment = 'featuremesh records'`;
}

async function versionOf(cql: Cql): Promise<number> {
  return newestOf(await versionsOf(cql));
}

/** When each version of the schema was reached, by its number. */
async function versionsOf(cql: Cql): Promise<ReadonlyMap<number, number>> {
  const { rows } = await cql.inspect(`SELECT version, applied_at_ms FROM ${cql.keyspace}.fm_schema_versions`);
  return new Map(rows.map(row => [Number(row['version']), Number(row['applied_at_ms'])]));
}

function newestOf(versions: ReadonlyMap<number, number>): number {
  return Math.max(0, ...versions.keys());
}

async function columnsOf(cql: Cql): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  const { rows } = await cql.inspect(
    'SELECT table_name, column_name, type FROM system_schema.columns WHERE keyspace_name = ?',
    [cql.keyspace],
  );
  const tables = new Map<string, Map<string, string>>();
  for (const row of rows) {
    const columns = tables.get(String(row['table_name'])) ?? new Map<string, string>();
    columns.set(String(row['column_name']), String(row['type']));
    tables.set(String(row['table_name']), columns);
  }
  return tables;
}

function drift(what: string): ProblemError {
  return new ProblemError(problem('STORE_UNAVAILABLE', `the keyspace in Cassandra ${what}`));
}
