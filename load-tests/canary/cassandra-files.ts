import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastStorePlanOf } from '@featuremesh/infra/local-mesh/store-plan';
import type { CanaryItem, CanaryMedium } from './canary-medium.ts';
import { absent, filesBelow, itemOf } from './file-media.ts';
import { isPlacedIn } from './needle.ts';
import { saidMedium } from './said-media.ts';
import { unpackSstable } from './sstable-rows.ts';

/** Every SSTable has one, and names its parts in it. */
const CONTROL = 'Data.db';
const DATA_FILE = '-Data.db';

/**
 * What a region's Cassandra nodes and object store leave on disk, running or not: SSTables and those of snapshots, unpacked; commit logs,
 * hints and caches as they are; logs. Undefined where the launcher keeps no stores for this region, the parent folder of its region.yaml.
 */
export function storeFileMedia(region: string, regionFolder: string): readonly CanaryMedium[] | undefined {
  const plan = lastStorePlanOf(regionFolder);
  if (plan === undefined) return undefined;
  const { folder } = plan.cassandra;
  const nodes = plan.cassandra.dataCentres.map((_, index) => join(folder, `node-${index + 1}`));
  const logs = nodes.map(node => join(node, 'logs'));
  const permits = (needle: Parameters<typeof isPlacedIn>[0]): boolean => isPlacedIn(needle, region);
  return [
    { name: 'Cassandra files', region, permits, control: CONTROL, scan: () => unpackedBelow(folder, logs) },
    saidMedium({ name: 'Cassandra logs', region, control: 'Cassandra', scan: () => filesOf(logs) }),
    {
      ...{ name: 'object store files', region, permits, control: 'accessKey' },
      scan: () => filesOf([plan.objects.folder]),
    },
  ];
}

async function* filesOf(folders: readonly string[]): AsyncGenerator<CanaryItem> {
  for (const folder of folders)
    for await (const path of filesBelow(folder, [])) {
      const item = await itemOf(path, folder);
      if (item !== undefined) yield item;
    }
}

/** Each file, and behind an SSTable's rows the same rows unpacked. */
async function* unpackedBelow(folder: string, without: readonly string[]): AsyncGenerator<CanaryItem> {
  for await (const path of filesBelow(folder, without)) {
    const item = await itemOf(path, folder);
    if (item === undefined) continue;
    yield item;
    if (!path.endsWith(DATA_FILE)) continue;
    // Gone with the SSTable, whose rows then stand in another one.
    const info = await readFile(path.replace(DATA_FILE, '-CompressionInfo.db')).catch(absent);
    if (info === undefined) continue;
    yield { where: `${item.where}, unpacked`, bytes: unpackSstable(item.bytes, info) };
  }
}
