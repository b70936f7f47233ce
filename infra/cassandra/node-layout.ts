import { join } from 'node:path';

/** What a local cluster is made of. Everything is on loopback addresses, so that several clusters and nodes share ports. */
export interface LocalClusterPlan {
  /** Keeps data, configuration, logs and process ids. */
  readonly folder: string;
  /** One data centre's name per node, in the order of starting; the first node of each is a seed. */
  readonly dataCentres: readonly string[];
  /** Third number of the nodes' addresses 127.0.x.1, 127.0.x.2 …: one of its own per cluster. */
  readonly network: number;
  readonly cqlPort: number;
  readonly storagePort: number;
  /** Port of the first node's management interface; the others count up. */
  readonly jmxPort: number;
  readonly heapMb: number;
  /** Passwords and permissions are judged; the first superuser is `cassandra`, with that as its password. */
  readonly authentication: boolean;
  /** CQL is answered with TLS too, under a certificate made for the cluster: `tls/certificate.pem` in its folder. */
  readonly tls: boolean;
  /** `batch`: a write is on disk before it is acknowledged, for tests that kill nodes and count. */
  readonly commitLogSync: 'periodic' | 'batch';
  /** False makes changes of the schema quick, for tests that make many: a node that is killed may forget what was not flushed. */
  readonly flushSchema: boolean;
  /** Code is compiled quickly and not well: a third less processor time for a start, and less speed under load. */
  readonly quickStart: boolean;
  /** False: a node keeps nothing for another that is away, so that only who writes again brings it what it missed. */
  readonly hints?: boolean;
}

/** A node of the plan, with its places. */
export interface LocalNode {
  readonly index: number;
  readonly name: string;
  readonly address: string;
  readonly dataCentre: string;
  readonly token: string;
  readonly jmxPort: number;
  readonly folder: string;
}

/** What one node takes with a heap of 512 MB: 760 to 890 MB were measured; off-heap and threads are the same with less heap. */
export function nodeMemoryMb(heapMb: number): number {
  return heapMb + 400;
}

/** The nodes of a plan. Tokens divide the ring evenly within each data centre, and differ between them. */
export function nodesOf(plan: LocalClusterPlan): readonly LocalNode[] {
  const seen = new Map<string, number>();
  return plan.dataCentres.map((dataCentre, index) => {
    const within = seen.get(dataCentre) ?? 0;
    seen.set(dataCentre, within + 1);
    const size = plan.dataCentres.filter(name => name === dataCentre).length;
    const start = -(2n ** 63n) + (2n ** 64n * BigInt(within)) / BigInt(size);
    const name = `node-${index + 1}`;
    return {
      index,
      name,
      address: `127.0.${plan.network}.${index + 1}`,
      dataCentre,
      token: String(start + BigInt([...seen.keys()].indexOf(dataCentre) + 1) * 1_000n),
      jmxPort: plan.jmxPort + index,
      folder: join(plan.folder, name),
    };
  });
}
