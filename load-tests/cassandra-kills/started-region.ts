import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CassandraStoreConfig } from '@featuremesh/contracts/region-config';
import { LocalCassandra } from '@featuremesh/infra/cassandra/local-cassandra';
import { meshFileOf, writeMeshFile } from '@featuremesh/infra/local-mesh/mesh-file';
import { ensureOfficers } from '@featuremesh/infra/local-mesh/officers';
import { prepareRegions } from '@featuremesh/infra/local-mesh/prepare-regions';
import { LOCAL_REGIONS } from '@featuremesh/infra/local-mesh/region-names';
import { RegionProcess } from '@featuremesh/infra/local-mesh/region-process';
import { systemClock } from '@featuremesh/runtime/clock';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { bringIntoForce } from '../mesh/fmesh.ts';
import { type MeshRegion, readMesh } from '../mesh/mesh-regions.ts';

/** Definitions and policy of the rows that clients count. */
const WORKLOAD = fileURLToPath(new URL('../nemesis', import.meta.url));
/** Three nodes, so that a quorum outlives one of them, and one in another data centre. */
const DATA_CENTRES = ['dc1', 'dc1', 'dc1', 'dc2'] as const;
const HEAP_MB = 256;
/** Ports from the base: behind those of the region. */
const CLUSTER_OFFSET = 20;

/** A region on a cluster of four nodes, of which any may be killed. */
export interface StartedRegion {
  readonly region: MeshRegion;
  readonly cluster: LocalCassandra;
  /** What region.yaml says of the cluster, seen from a data centre. */
  readonly storeIn: (dataCentre: 'dc1' | 'dc2') => CassandraStoreConfig;
  readonly stop: () => Promise<void>;
}

/** Starts the cluster, then one region on it, and brings the definitions into force; what was started is ended where that fails. */
export async function startRegion(options: {
  readonly dataDir: string;
  readonly portBase: number;
  /** Third number of the nodes' addresses. */
  readonly network: number;
  readonly hints: boolean;
  readonly say: (line: string) => void;
}): Promise<StartedRegion> {
  const { dataDir, portBase, say } = options;
  const cluster = await LocalCassandra.open(
    {
      folder: join(dataDir, 'cassandra'),
      dataCentres: DATA_CENTRES,
      network: options.network,
      cqlPort: portBase + CLUSTER_OFFSET,
      storagePort: portBase + CLUSTER_OFFSET + 1,
      jmxPort: portBase + CLUSTER_OFFSET + 2,
      heapMb: HEAP_MB,
      authentication: false,
      tls: false,
      // What is acknowledged is on disk: a node that is killed has it when it returns.
      commitLogSync: 'batch',
      flushSchema: true,
      quickStart: true,
      hints: options.hints,
    },
    say,
  );
  let region: RegionProcess | undefined;
  const stop = async (): Promise<void> => {
    await region?.stop();
    await cluster.kill();
  };
  try {
    say('starting 3 + 1 nodes');
    await cluster.start();
    const store = storeOf(cluster);
    const people = await ensureOfficers(join(dataDir, 'officers'));
    const [prepared] = await prepareRegions({
      dataDir,
      regions: LOCAL_REGIONS.slice(0, 1),
      portBase,
      officers: people.officers,
      wan: 'off',
      storeOf: () => store('dc1'),
      tools: { clock: systemClock, random: systemRandom },
    });
    if (prepared === undefined) throw new Error('no region was prepared');
    say('starting the region');
    region = new RegionProcess(prepared, systemTimer, {
      onChange: () => undefined,
      onNote: say,
      onDown: how => say(`the region is down: ${how}`),
    });
    await region.start();
    const startedAt = new Date(systemClock.nowMs()).toISOString();
    const running = [{ config: prepared.config, pids: region.pids }];
    const file = meshFileOf(running, startedAt, { profile: 'full', wan: undefined });
    const mesh = readMesh(await writeMeshFile(dataDir, file));
    await bringIntoForce(WORKLOAD, dataDir, mesh);
    const [found] = mesh.regions;
    if (found === undefined) throw new Error('the mesh has no region');
    return { region: found, cluster, storeIn: store, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** From dc1 the other one may stand in; seen from dc2 there is only itself. */
function storeOf({ nodes, plan }: LocalCassandra): (dataCentre: 'dc1' | 'dc2') => CassandraStoreConfig {
  return dataCentre => ({
    type: 'cassandra',
    contactPoints: nodes
      .filter(node => dataCentre === 'dc1' || node.dataCentre === dataCentre)
      .map(({ address }) => `${address}:${plan.cqlPort}`),
    localDataCentre: dataCentre,
    fallbackDataCentres: dataCentre === 'dc1' ? ['dc2'] : [],
    keyspace: 'featuremesh',
    consistency: { write: 'LOCAL_QUORUM', read: 'LOCAL_ONE', serial: 'LOCAL_SERIAL' },
    maxTables: 50,
  });
}
