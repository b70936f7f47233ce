import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { endLeftovers } from '@featuremesh/cli/region/pid-file';
import { MESH_FILE } from '@featuremesh/cli/target/mesh-file';
import type { Timer } from '@featuremesh/runtime/timer';
import { clusterRunFolder, lastStorePlans, objectsRunFolder, STORES_FOLDER } from './store-plan.ts';
import { WAN_FOLDER } from './wan-process.ts';

/** What the launcher writes into its data folder; nothing else there is ever removed. */
const OWN_ENTRIES = ['regions', 'officers', 'demo', 'invitations', STORES_FOLDER, WAN_FOLDER, MESH_FILE];

/** Ends processes that a killed start left behind: those of every region, their stores, and the proxy between them. Returns how many. */
export async function endMeshLeftovers(dataDir: string, timer: Timer): Promise<number> {
  const regions = join(dataDir, 'regions');
  const ids = existsSync(regions) ? readdirSync(regions) : [];
  const stores = (lastStorePlans(dataDir) ?? []).flatMap(plan => [
    clusterRunFolder(plan.cassandra),
    objectsRunFolder(plan.objects),
  ]);
  const runFolders = [
    join(dataDir, WAN_FOLDER, 'run'),
    join(dataDir, STORES_FOLDER, 'run'),
    ...ids.map(id => join(regions, id, 'data', 'run')),
    ...stores,
  ];
  const ended = await Promise.all(runFolders.map(folder => endLeftovers(folder, ms => timer.sleep(ms))));
  return ended.flat().length;
}

/** Removes what earlier starts left in the data folder: regions, keys, officers, the demo's state. */
export async function removeMeshData(dataDir: string): Promise<void> {
  for (const entry of OWN_ENTRIES) await rm(join(dataDir, entry), { recursive: true, force: true });
}
