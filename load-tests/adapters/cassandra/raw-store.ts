import type { CassandraStoreConfig } from '@featuremesh/contracts/region-config';
import { Client, types } from 'cassandra-driver';

/** A key of one group's table. */
export interface RawKey {
  readonly table: string;
  readonly key: Buffer;
}

/** Ways of reading the keys of a slate with the plain driver. */
export const READ_PLANS = ['singles', 'in', 'in-by-replica'] as const;
/** One of those. */
export type ReadPlan = (typeof READ_PLANS)[number];

const SCRATCH = 'bench_rows';
/** Rows in flight: more do not make the driver faster. */
export const WRITERS = 256;
const PAGE_ROWS = 1_000;

/** The bare driver on a region's cluster: the bound of what an online store on it can do. */
export class RawStore {
  readonly #client: Client;
  readonly #keyspace: string;
  readonly #localDataCentre: string;

  private constructor(client: Client, config: CassandraStoreConfig) {
    this.#client = client;
    this.#keyspace = config.keyspace;
    this.#localDataCentre = config.localDataCentre;
  }

  /** Connects as region.yaml says, without credentials and TLS; leaves nothing open where that fails. */
  static async connect(config: CassandraStoreConfig): Promise<RawStore> {
    const [first = ''] = config.contactPoints;
    const client = new Client({
      contactPoints: [...config.contactPoints],
      localDataCenter: config.localDataCentre,
      keyspace: config.keyspace,
      protocolOptions: { port: Number(first.split(':')[1] ?? 9_042) },
      queryOptions: { prepare: true, consistency: types.consistencies.localOne },
      encoding: { copyBuffer: false },
    });
    try {
      await client.connect();
    } catch (error) {
      await client.shutdown().catch(() => undefined);
      throw error;
    }
    return new RawStore(client, config);
  }

  /** Name of the table of a group's version: the newest generation. Throws where there is none. */
  async tableOf(groupId: string, version: number): Promise<string> {
    const { rows } = await this.#client.execute(
      'SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?',
      [this.#keyspace],
    );
    const prefix = `g_${groupId}_v${version}_p`;
    const names = rows.map(row => String(row['table_name'])).filter(name => name.startsWith(prefix));
    const newest = names
      .toSorted((a, b) => Number(a.slice(prefix.length)) - Number(b.slice(prefix.length)))
      .at(-1);
    if (newest === undefined) throw new Error('the group has no table in Cassandra');
    return newest;
  }

  /** Reads the keys; resolves with the number of rows found. */
  async read(keys: readonly RawKey[], plan: ReadPlan): Promise<number> {
    if (plan === 'singles') {
      const answers = await Promise.all(
        keys.map(({ table, key }) => this.#client.execute(`SELECT v FROM ${table} WHERE k = ?`, [key])),
      );
      return answers.reduce((sum, { rowLength }) => sum + rowLength, 0);
    }
    const parts = new Map<string, RawKey[]>();
    for (const each of keys) {
      const replica = plan === 'in' ? '' : this.#replicaOf(each.key);
      const part = parts.get(`${each.table} ${replica}`);
      if (part === undefined) parts.set(`${each.table} ${replica}`, [each]);
      else part.push(each);
    }
    const answers = await Promise.all(
      [...parts.values()].map(part =>
        this.#client.execute(`SELECT k, v FROM ${part[0]?.table} WHERE k IN ?`, [part.map(({ key }) => key)]),
      ),
    );
    return answers.reduce((sum, { rowLength }) => sum + rowLength, 0);
  }

  /** Rows a second that the driver writes, so many in one request: the very blobs of a table, into one made for it, until `seconds` are over. */
  async writesPerS(
    table: string,
    { rows, seconds, batchRows }: { rows: number; seconds: number; batchRows: number },
  ): Promise<number> {
    const found = await this.#client.execute(`SELECT k, v FROM ${table} LIMIT ${rows}`, [], {
      fetchSize: rows,
    });
    const blobs = found.rows.map(row => [Buffer.from(row['k'] as Buffer), Buffer.from(row['v'] as Buffer)]);
    if (blobs.length === 0) throw new Error('the table has no rows to write again');
    await this.#client.execute(`CREATE TABLE IF NOT EXISTS ${SCRATCH} (k blob PRIMARY KEY, v blob)`, [], {
      prepare: false,
    });
    const insert = `INSERT INTO ${SCRATCH} (k, v) VALUES (?, ?) USING TIMESTAMP ?`;
    const options = { consistency: types.consistencies.localQuorum, prepare: true, logged: false };
    const startedMs = performance.now();
    const endMs = startedMs + 1_000 * seconds;
    let written = 0;
    const writer = async (): Promise<void> => {
      while (performance.now() < endMs) {
        const queries = Array.from({ length: batchRows }, () => {
          const at = written++;
          return {
            query: insert,
            params: [...(blobs[at % blobs.length] ?? []), types.Long.fromNumber(at + 1)],
          };
        });
        if (batchRows > 1) await this.#client.batch(queries, options);
        else await this.#client.execute(insert, queries[0]?.params, options);
      }
    };
    await Promise.all(Array.from({ length: Math.ceil(WRITERS / batchRows) }, writer));
    const perS = (written / (performance.now() - startedMs)) * 1_000;
    await this.#client.execute(`DROP TABLE ${SCRATCH}`, [], { prepare: false });
    return perS;
  }

  /** All rows of a table by key (latin1), as this data centre holds them: a quorum of it, or any one replica. */
  async all(table: string, replicas: 'quorum' | 'one'): Promise<ReadonlyMap<string, Buffer>> {
    const { localQuorum, localOne } = types.consistencies;
    const consistency = replicas === 'one' ? localOne : localQuorum;
    const found = new Map<string, Buffer>();
    let pageState: string | undefined;
    do {
      const options = {
        consistency,
        fetchSize: PAGE_ROWS,
        ...(pageState === undefined ? {} : { pageState }),
      };
      const page = await this.#client.execute(`SELECT k, v FROM ${table}`, [], options);
      for (const row of page.rows)
        found.set((row['k'] as Buffer).toString('latin1'), Buffer.from(row['v'] as Buffer));
      pageState = page.pageState ?? undefined;
    } while (pageState !== undefined);
    return found;
  }

  /** Reads a key of all replicas of all data centres, which mends those that differ before it is answered. */
  async repair(table: string, key: Buffer): Promise<void> {
    await this.#client.execute(`SELECT v FROM ${table} WHERE k = ?`, [key], {
      consistency: types.consistencies.all,
    });
  }

  /** Nodes of the local data centre: with one, grouping by replica is one statement. */
  get localNodes(): number {
    return this.#client.hosts.values().filter(({ datacenter }) => datacenter === this.#localDataCentre)
      .length;
  }

  async close(): Promise<void> {
    await this.#client.shutdown();
  }

  #replicaOf(key: Buffer): string {
    const hosts = this.#client.getReplicas(this.#keyspace, key) ?? [];
    return hosts.find(({ datacenter }) => datacenter === this.#localDataCentre)?.address ?? '';
  }
}
