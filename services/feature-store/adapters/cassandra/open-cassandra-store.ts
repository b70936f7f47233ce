import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { CassandraStoreConfig } from '@featuremesh/contracts/region-config';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { CassandraOnlineStore } from './cassandra-online-store.ts';
import type { CassandraStoreOptions } from './cassandra-options.ts';

/** What a store needs beside region.yaml. */
export type CassandraTools = Pick<CassandraStoreOptions, 'clock' | 'timer' | 'random' | 'logger'>;

/** A Cassandra of region.yaml, and the member that describes it. */
export interface ConfiguredCassandra {
  readonly config: CassandraStoreConfig;
  readonly member: 'store' | 'registry';
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * The store that region.yaml describes, with its secrets read; it tries to connect and goes on trying, since a service whose database
 * is down still takes writes into the log. Throws INVALID_CONFIG where a secret or certificate cannot be read.
 */
export async function openCassandraStore(
  config: CassandraStoreConfig,
  environment: Readonly<Record<string, string | undefined>>,
  tools: CassandraTools,
): Promise<CassandraOnlineStore> {
  const store = new CassandraOnlineStore(optionsOf({ config, member: 'store', environment }, tools));
  // What is wrong was logged, and is said by readiness.
  await store.connect().catch(() => undefined);
  store.keepConnected();
  return store;
}

/** Options with secrets read. Throws INVALID_CONFIG where a secret or certificate cannot be read. */
export function optionsOf(
  { config, member, environment }: ConfiguredCassandra,
  tools: CassandraTools,
): CassandraStoreOptions {
  const { type: _, credentials, tls, replication, contactPoints, ...rest } = config;
  return {
    ...rest,
    ...tools,
    contactPoints: contactPoints.map(point => (point.includes(':') ? point : `${point}:9042`)),
    replication,
    credentials:
      credentials === undefined ? undefined : readCredentials(credentials, { member, environment }),
    tls: tls === undefined ? undefined : readTls(tls, member),
  };
}

function readCredentials(
  given: NonNullable<CassandraStoreConfig['credentials']>,
  from: Pick<ConfiguredCassandra, 'member' | 'environment'>,
): { username: string; password: string } {
  const username = given.username ?? variable(given.usernameEnv, from);
  const password =
    given.passwordFile === undefined
      ? variable(given.passwordEnv, from)
      : readText(given.passwordFile, `${from.member}.credentials.passwordFile`).trim();
  return { username, password };
}

function variable(
  named: string | undefined,
  { member, environment }: Pick<ConfiguredCassandra, 'member' | 'environment'>,
): string {
  const value = named === undefined ? undefined : environment[named];
  if (value !== undefined && value !== '') return value;
  throw new ProblemError(
    problem('INVALID_CONFIG', `the environment has no ${named}, which ${member}.credentials names`),
  );
}

function readTls(
  tls: NonNullable<CassandraStoreConfig['tls']>,
  member: ConfiguredCassandra['member'],
): ConnectionOptions {
  return {
    ca: [readText(tls.ca, `${member}.tls.ca`)],
    ...(tls.certificate === undefined
      ? {}
      : { cert: readText(tls.certificate, `${member}.tls.certificate`) }),
    ...(tls.key === undefined ? {} : { key: readText(tls.key, `${member}.tls.key`) }),
  };
}

function readText(path: string, member: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ProblemError(problem('INVALID_CONFIG', `${member}: ${path} cannot be read`), { cause: error });
  }
}
