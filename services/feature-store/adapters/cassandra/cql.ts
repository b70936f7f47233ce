import { ProblemError, problem } from '@featuremesh/domain/problem';
import { Deadlines } from '@featuremesh/runtime/deadlines';
import type { Timer } from '@featuremesh/runtime/timer';
import {
  Client,
  type ClientOptions,
  ExecutionProfile,
  policies,
  type QueryOptions,
  types,
} from 'cassandra-driver';
import type { CopyStates } from '../../ports/store-copies.ts';
import { type CallClass, classesOf, LOCAL_ONLY, PASSAGES } from './call-classes.ts';
import { unavailable } from './cassandra-errors.ts';
import { APPLY_DEADLINE_MS, type CassandraStoreOptions } from './cassandra-options.ts';
import { InFlightGate } from './in-flight-gate.ts';
import { NextNodePolicy } from './next-node-policy.ts';
import { NodeWatch, type WatchedClient } from './node-watch.ts';
import { dataCentresOf, RegionRoutingPolicy } from './routing-policies.ts';
import { untilSchemaAgrees } from './schema-agreement.ts';
import { SpeculateReads } from './speculate-reads.ts';

const LEVELS = types.consistencies;

/** A statement's class, and what aborts when its work is given up. */
export interface Call {
  readonly as: CallClass;
  readonly expired: AbortSignal;
}

/** Where Cassandra listens unless told otherwise. */
const DEFAULT_PORT = 9_042;

/** Pauses between two tries to connect to a node that is away: a refused connection costs nothing beside what is missed without the node. */
const RECONNECT_FIRST_MS = 200;
const RECONNECT_LONGEST_MS = 2_000;

/** Statements prepared per client: seven of each table, and those of the records. */
const STATEMENTS_PER_TABLE = 7;
const OTHER_STATEMENTS = 64;

/** The same bytes as the driver takes them. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** One connected client: every statement goes through its gate, with the consistency of its class. */
export class Cql {
  readonly keyspace: string;
  readonly #client: Client;
  readonly #options: CassandraStoreOptions;
  readonly #timer: Timer;
  readonly #gate: InFlightGate;
  readonly #deadlines: Deadlines;
  readonly #classes: Readonly<Record<CallClass, QueryOptions>>;
  readonly #nodes: NodeWatch;

  private constructor(client: Client, options: CassandraStoreOptions) {
    this.#client = client;
    this.#options = options;
    this.#timer = options.timer;
    this.#gate = new InFlightGate(options.clock);
    this.#deadlines = new Deadlines(options);
    this.#classes = classesOf(options.consistency);
    this.#nodes = new NodeWatch(client as unknown as WatchedClient);
    this.keyspace = options.keyspace;
  }

  /** Connects; rejects with the driver's error, or a ProblemError for a data centre that is not there, and leaves nothing open. */
  static async connect(options: CassandraStoreOptions): Promise<Cql> {
    const client = clientOf(options);
    try {
      await client.connect();
      return new Cql(client, options);
    } catch (error) {
      await client.shutdown().catch(() => undefined);
      throw error;
    }
  }

  /** Data centres of the cluster, with the number of nodes known in each. */
  dataCentres(): ReadonlyMap<string, number> {
    return dataCentresOf(this.#client.hosts);
  }

  /** Which nodes are away, of all data centres. */
  copies(): CopyStates {
    return this.#nodes.states();
  }

  /** Runs work made of statements within a deadline; what the driver throws becomes a ProblemError STORE_UNAVAILABLE. */
  async within<T>(deadlineMs: number, work: (expired: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await this.#bounded(deadlineMs, work);
    } catch (error) {
      throw unavailable(error);
    }
  }

  #bounded<T>(deadlineMs: number, work: (expired: AbortSignal) => Promise<T>): Promise<T> {
    const over = new AbortController();
    return new Promise((resolve, reject) => {
      const deadline = this.#deadlines.open(deadlineMs, () => {
        over.abort();
        reject(
          new ProblemError(problem('STORE_UNAVAILABLE', 'Cassandra did not answer within the deadline')),
        );
      });
      work(over.signal).then(
        value => {
          this.#deadlines.cancel(deadline);
          resolve(value);
        },
        (error: unknown) => {
          this.#deadlines.cancel(deadline);
          reject(error);
        },
      );
    });
  }

  /** One prepared statement, which reads or writes so many rows, of the node that holds `routingKey` where one is given. Rejects with the driver's errors. */
  execute(
    statement: string,
    values: readonly unknown[],
    how: Call & { readonly routingKey?: Buffer | undefined; readonly rows?: number },
  ): Promise<types.ResultSet> {
    const { as, expired, routingKey, rows = 1 } = how;
    const options = routingKey === undefined ? this.#classes[as] : { ...this.#classes[as], routingKey };
    return this.#gate.run(() => this.#client.execute(statement, values as unknown[], options), {
      expired,
      as: PASSAGES[as],
      rooms: rows,
    });
  }

  /** One prepared statement for each of several rows, in one request to the node that holds `routingKey`; each row is written for itself. */
  async write(
    statement: string,
    rows: readonly (readonly unknown[])[],
    how: Call & { readonly routingKey: Buffer },
  ): Promise<void> {
    const { as, routingKey, expired } = how;
    const options = { ...this.#classes[as], logged: false, routingKey };
    const queries = rows.map(values => ({ query: statement, params: values as unknown[] }));
    const passage = { expired, as: PASSAGES[as], rooms: rows.length };
    await this.#gate.run(() => this.#client.batch(queries, options), passage);
  }

  /** One page of a prepared statement's rows, of `rows` at most. */
  page(
    statement: string,
    values: readonly unknown[],
    how: { readonly rows: number; readonly expired: AbortSignal },
  ): Promise<types.ResultSet> {
    const options = { ...this.#classes['record-read'], fetchSize: how.rows, readTimeout: 0 };
    return this.#gate.run(() => this.#client.execute(statement, [...values], options), {
      expired: how.expired,
    });
  }

  /** Several conditional statements on one partition: all or none. True where they were applied. */
  async conditionalBatch(
    statements: readonly { readonly query: string; readonly params: readonly unknown[] }[],
    expired: AbortSignal,
  ): Promise<boolean> {
    const queries = statements.map(({ query, params }) => ({ query, params: [...params] }));
    const result = await this.#gate.run(
      () => this.#client.batch(queries, { ...this.#classes.conditional, logged: true }),
      { expired, as: 'control' },
    );
    return result.wasApplied();
  }

  /** A look at the schema, or a small statement on the way to it. */
  inspect(statement: string, values: readonly unknown[] = []): Promise<types.ResultSet> {
    const options = { consistency: LEVELS.localQuorum, prepare: values.length > 0 };
    return this.#client.execute(statement, [...values], options);
  }

  /** Changes the schema; resolves when all nodes that are up have made the change. Rejects with STORE_UNAVAILABLE where they have not in time. */
  async define(statement: string): Promise<void> {
    const { info } = await this.#client.execute(statement, [], { prepare: false, readTimeout: 0 });
    if (!(await untilSchemaAgrees(this.#client, this.#timer, info.queriedHost)))
      throw new ProblemError(
        problem('STORE_UNAVAILABLE', 'the nodes of Cassandra do not agree on the schema'),
      );
  }

  /** Waits until all nodes that are up have made what others changed, as far as they do in time. */
  async schemaSettles(): Promise<void> {
    await untilSchemaAgrees(this.#client, this.#timer);
  }

  /**
   * The address of the first of a key's replicas in the local data centre, to group keys by; undefined in place of the function where each
   * of its nodes holds all keys, as for `sample`: the driver reckons a token for every look.
   */
  replicaOf(sample: Uint8Array | undefined): ((key: Buffer) => string) | undefined {
    const nodes = dataCentresOf(this.#client.hosts).get(this.#options.localDataCentre) ?? 0;
    if (nodes <= 1 || sample === undefined || this.#replicasOf(bufferOf(sample)).length >= nodes)
      return undefined;
    return key => this.#replicasOf(key)[0] ?? '';
  }

  #replicasOf(key: Buffer): readonly string[] {
    const local = this.#options.localDataCentre;
    const hosts = this.#client.getReplicas(this.keyspace, key) ?? [];
    return hosts.filter(({ datacenter }) => datacenter === local).map(({ address }) => address);
  }

  /** Ends all connections; statements in flight fail. */
  async close(): Promise<void> {
    await this.#client.shutdown();
  }
}

/** Where the cluster is and as whom it is asked. */
function addressOf({ contactPoints, credentials, tls }: CassandraStoreOptions): ClientOptions {
  return {
    // The routing policies know the local data centre: named here too, the driver would refuse an unknown one in its own words.
    contactPoints: [...contactPoints],
    ...(credentials === undefined ? {} : { credentials }),
    // The driver trusts any certificate unless told otherwise.
    ...(tls === undefined ? {} : { sslOptions: { rejectUnauthorized: true, ...tls } }),
    // The nodes that are found do not tell their ports: all listen on the same.
    protocolOptions: { port: portOf(contactPoints), maxSchemaAgreementWaitSeconds: 0 },
  };
}

function clientOf(options: CassandraStoreOptions): Client {
  const { localDataCentre, fallbackDataCentres, clock } = options;
  const routing = new RegionRoutingPolicy(localDataCentre, fallbackDataCentres, clock);
  const speculation = new SpeculateReads(localDataCentre, fallbackDataCentres);
  const client = new Client({
    ...addressOf(options),
    policies: {
      loadBalancing: routing,
      // The driver acts on one of several nodes that the cluster calls back at once; the others are found by trying.
      reconnection: new policies.reconnection.ExponentialReconnectionPolicy(
        RECONNECT_FIRST_MS,
        RECONNECT_LONGEST_MS,
        true,
      ),
      retry: new NextNodePolicy(),
      speculativeExecution: speculation,
    },
    profiles: [localOnlyProfile(options)],
    // Rows are views of the answer's bytes, which the driver never writes to again: one copy less per row.
    encoding: { useBigIntAsLong: true, copyBuffer: false },
    maxPrepared: options.maxTables * STATEMENTS_PER_TABLE + OTHER_STATEMENTS,
    socketOptions: { readTimeout: APPLY_DEADLINE_MS, connectTimeout: 5_000, tcpNoDelay: true },
    queryOptions: { prepare: true },
    pooling: { heartBeatInterval: 5_000 },
  });
  // The driver does so with other policies only.
  speculation.init(client);
  return client;
}

function localOnlyProfile({ localDataCentre, clock }: CassandraStoreOptions): ExecutionProfile {
  const loadBalancing = new RegionRoutingPolicy(localDataCentre, [], clock);
  return new ExecutionProfile(LOCAL_ONLY, { loadBalancing });
}

function portOf(contactPoints: readonly string[]): number {
  const port = /:(\d{1,5})$/.exec(contactPoints[0] ?? '')?.[1];
  return port === undefined ? DEFAULT_PORT : Number(port);
}
