import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { WantedPort } from '@featuremesh/cli/region/port-check';
import type { RegionConfigInput } from '@featuremesh/contracts/region-config';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { type LocalClusterPlan, nodeMemoryMb, nodesOf } from '../cassandra/node-layout.ts';
import { type SeaweedFsPlan, seaweedFsPorts } from './seaweedfs-child.ts';

/** Folder of the stores in the mesh's data folder: one cluster and one object store per region, none shared. */
export const STORES_FOLDER = 'stores';
/** In that folder: what the stores' process is to run. */
export const PLANS_FILE = 'plans.json';
/** In that folder: why the stores could not be started. */
export const FAILURE_FILE = 'failure.txt';

/** Ports of the stores from the first region's base: behind the regions and the network between them. */
const CQL_OFFSET = 290;
const STORAGE_OFFSET = 291;
const PER_REGION_OFFSET = 300;
const PORTS_PER_REGION = 10;
/** Of the ten: one management port per node, which listens on 127.0.0.1 whatever the node does; then the object store's. */
const MAX_NODES = 2;
/** Third number of the first region's addresses 127.0.N.x. */
const FIRST_NETWORK = 101;
/** Enough for the demo; a node then takes about 0.8 GB. */
const HEAP_MB = 384;
/** Measured: 115 MB after its start, 190 MB in use. */
const OBJECTS_MB = 200;
/** Broker, service, sync agent, gateway and supervisor of a region that has just loaded the demo. */
const REGION_MB = 700;
const DATA_CENTRES = ['dc1', 'dc2'] as const;

/** How many data centres each region's cluster has, one node in each. */
export type DataCentreCount = 1 | 2;

/** The servers of one region. */
export interface RegionStorePlan {
  readonly region: string;
  readonly cassandra: LocalClusterPlan;
  readonly objects: SeaweedFsPlan;
}

/** The servers of all regions; `index` in the list fixes addresses and ports. */
export function planStores(input: {
  readonly dataDir: string;
  readonly regions: readonly string[];
  readonly portBase: number;
  readonly dataCentres: DataCentreCount;
  readonly cores: number;
}): readonly RegionStorePlan[] {
  // Many nodes on few cores spend their first minutes compiling.
  const quickStart = input.regions.length * input.dataCentres > input.cores;
  return input.regions.map((region, index) => {
    const folder = join(input.dataDir, STORES_FOLDER, region);
    const ports = input.portBase + PER_REGION_OFFSET + index * PORTS_PER_REGION;
    return {
      region,
      cassandra: {
        folder: join(folder, 'cassandra'),
        dataCentres: DATA_CENTRES.slice(0, input.dataCentres),
        network: FIRST_NETWORK + index,
        cqlPort: input.portBase + CQL_OFFSET,
        storagePort: input.portBase + STORAGE_OFFSET,
        jmxPort: ports,
        heapMb: HEAP_MB,
        authentication: false,
        tls: false,
        commitLogSync: 'periodic',
        flushSchema: true,
        quickStart,
      },
      objects: { folder: join(folder, 'seaweedfs'), portBase: ports + MAX_NODES },
    };
  });
}

/** Where process ids of a cluster's nodes stand; LocalCassandra writes them. */
export function clusterRunFolder({ folder }: LocalClusterPlan): string {
  return join(folder, 'run');
}

/** Where the process id of an object store stands. */
export function objectsRunFolder({ folder }: SeaweedFsPlan): string {
  return join(folder, 'run');
}

/** Every port of the stores, with its purpose. */
export function storePorts(plans: readonly RegionStorePlan[]): readonly WantedPort[] {
  return plans.flatMap(({ region, cassandra, objects }) => [
    ...nodesOf(cassandra).flatMap(node => [
      { host: node.address, port: cassandra.cqlPort, purpose: `Cassandra ${node.dataCentre} of ${region}` },
      {
        host: node.address,
        port: cassandra.storagePort,
        purpose: `Cassandra ${node.dataCentre} of ${region}, inside`,
      },
      {
        host: '127.0.0.1',
        port: node.jmxPort,
        purpose: `Cassandra ${node.dataCentre} of ${region}, management`,
      },
    ]),
    ...seaweedFsPorts(objects).map(one => ({ ...one, purpose: `${one.purpose} of ${region}` })),
  ]);
}

/** Plans of the last start in this data folder; undefined where there was none with stores. */
export function lastStorePlans(dataDir: string): readonly RegionStorePlan[] | undefined {
  const path = join(dataDir, STORES_FOLDER, PLANS_FILE);
  if (!existsSync(path)) return undefined;
  return JSON.parse(readFileSync(path, 'utf8')) as readonly RegionStorePlan[];
}

/** The last plan of the region in this folder, the parent of its region.yaml; undefined where the launcher keeps no stores for it. */
export function lastStorePlanOf(regionFolder: string): RegionStorePlan | undefined {
  const plans = lastStorePlans(dirname(dirname(regionFolder)));
  return plans?.find(({ region }) => region === basename(regionFolder));
}

/** What region.yaml says of its cluster, as an operator would write of his own. */
export function storeSection(plan: RegionStorePlan): NonNullable<RegionConfigInput['store']> {
  const { cassandra } = plan;
  const [local = '', ...others] = cassandra.dataCentres;
  return {
    type: 'cassandra',
    contactPoints: nodesOf(cassandra).map(({ address }) => `${address}:${cassandra.cqlPort}`),
    localDataCentre: local,
    fallbackDataCentres: others,
    keyspace: 'featuremesh',
  };
}

/** Memory of the whole mesh with its stores. */
export function neededMemoryMb(regions: number, dataCentres: DataCentreCount): number {
  return regions * (REGION_MB + dataCentres * nodeMemoryMb(HEAP_MB) + OBJECTS_MB);
}

/**
 * As many data centres as memory allows; those of a cluster that exists are kept, since a node that is left out would be missed.
 * Throws START_FAILED that names what is needed, what there is, and what to do, before anything runs.
 */
export function chooseDataCentres(input: {
  readonly regions: number;
  readonly availableMb: number;
  readonly existing: DataCentreCount | undefined;
}): DataCentreCount {
  const { regions, availableMb, existing } = input;
  const fits = (count: DataCentreCount): boolean => neededMemoryMb(regions, count) <= availableMb;
  const wanted = existing ?? (fits(2) ? 2 : 1);
  if (fits(wanted)) return wanted;
  const each = wanted === 1 ? 'one data centre' : 'two data centres';
  throw new ProblemError(
    problem(
      'START_FAILED',
      `--profile full needs about ${neededMemoryMb(regions, wanted)} MB of memory for ${regions} regions with ${each} each; ${availableMb} MB are available. ` +
        'Free memory, start fewer regions (--regions 1), or use --profile embedded in another --data-dir',
    ),
  );
}
