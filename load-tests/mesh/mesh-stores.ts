import { dirname } from 'node:path';
import type { CassandraStoreConfig } from '@featuremesh/contracts/region-config';
import { nodesOf } from '@featuremesh/infra/cassandra/node-layout';
import { lastStorePlanOf, type RegionStorePlan } from '@featuremesh/infra/local-mesh/store-plan';
import { loadRegionConfig } from '@featuremesh/runtime/config-loader';
import { configPathOf, type MeshRegion } from './mesh-regions.ts';

/** The servers that the launcher runs for a region of a mesh with `--profile full`. Throws where there are none. */
export function storePlanOf(region: MeshRegion): RegionStorePlan {
  const plan = lastStorePlanOf(dirname(configPathOf(region)));
  if (plan === undefined) throw new Error(`${region.id} has no stores of its own; is it of --profile full?`);
  return plan;
}

/** What a region's region.yaml says of its cluster, as it would be seen from one of its data centres alone. */
export function storeSeenFrom(region: MeshRegion): (dataCentre: 'dc1' | 'dc2') => CassandraStoreConfig {
  const { store } = loadRegionConfig(configPathOf(region));
  if (store.type !== 'cassandra') throw new Error(`${region.id} keeps its rows in ${store.type}`);
  const { cassandra } = storePlanOf(region);
  return dataCentre => ({
    ...store,
    localDataCentre: dataCentre,
    fallbackDataCentres: [],
    contactPoints: nodesOf(cassandra)
      .filter(node => node.dataCentre === dataCentre)
      .map(({ address }) => `${address}:${cassandra.cqlPort}`),
  });
}
