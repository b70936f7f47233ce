import type { Timer } from '@featuremesh/runtime/timer';
import { type Client, type Host, types } from 'cassandra-driver';

/** How long nodes may take to agree on a change of the schema, and how often they are asked. */
const AGREEMENT_TIMEOUT_MS = 20_000;
const AGREEMENT_POLL_MS = 30;

const OWN_VERSION = 'SELECT schema_version FROM system.local';
const VERSIONS_OF_OTHERS = 'SELECT rpc_address, schema_version FROM system.peers';

/** The driver's client, as far as the schema is asked of it. */
export type SchemaClient = Pick<Client, 'execute'> & {
  readonly hosts: { values(): readonly Pick<Host, 'address' | 'isUp'>[] };
};

/**
 * Waits until all nodes that are up have made what one node has made: the one at `address`, which changed the schema, or any. False where they
 * have not in time.
 *
 * One node is asked what it has and what the others told it. A node writes the new version down for itself before it makes the new tables, and
 * rows of them that come in between it takes for written and forgets (Cassandra 5.0, `Keyspace.applyInternal`: "Attempting to mutate non-existant
 * table"); others are told the version afterwards. The driver's own check asks whatever node its control connection leads to: of one that was
 * not the one that changed the schema it was told too early for 3 of 60 tables.
 */
export async function untilSchemaAgrees(
  client: SchemaClient,
  timer: Timer,
  address?: string,
): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < AGREEMENT_TIMEOUT_MS; waitedMs += AGREEMENT_POLL_MS) {
    // A node that went away meanwhile is not asked again.
    if (await schemaAgrees(client, address).catch(() => false)) return true;
    await timer.sleep(AGREEMENT_POLL_MS);
  }
  return false;
}

async function schemaAgrees(client: SchemaClient, address: string | undefined): Promise<boolean> {
  const hosts = client.hosts.values();
  const one = (asked: string | undefined) => {
    const host = hosts.find(each => each.address === asked && each.isUp());
    const options = { prepare: false, consistency: types.consistencies.localOne };
    return host === undefined ? options : { ...options, host: host as Host };
  };
  const own = await client.execute(OWN_VERSION, [], one(address));
  const others = await client.execute(VERSIONS_OF_OTHERS, [], one(own.info.queriedHost));
  // One that is down takes the schema over when it returns, before it takes rows.
  const away = new Set(hosts.filter(host => !host.isUp()).map(host => withoutPort(host.address)));
  const version = String(own.rows[0]?.['schema_version']);
  return others.rows
    .filter(row => row['schema_version'] !== null && !away.has(String(row['rpc_address'])))
    .every(row => String(row['schema_version']) === version);
}

function withoutPort(address: string): string {
  return address.slice(0, address.lastIndexOf(':'));
}
