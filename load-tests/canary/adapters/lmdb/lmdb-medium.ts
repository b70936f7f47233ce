import { join } from 'node:path';
import type { RegionConfig } from '@featuremesh/contracts/region-config';
import { open } from 'lmdb';
import type { CanaryItem, CanaryMedium } from '../../canary-medium.ts';
import { isPlacedIn } from '../../needle.ts';

/** More named databases than any environment of a region has tables. */
const MAX_DATABASES = 4_096;

/** The LMDB environments of a region, online store and registry, pair by pair, through LMDB itself; its processes may have them open. */
export function lmdbMedia(config: RegionConfig): readonly CanaryMedium[] {
  const environments = [
    ...(config.store.type === 'lmdb' ? ['online'] : []),
    ...(config.registry.type === 'lmdb' ? ['registry'] : []),
  ];
  return environments.map(name => ({
    name: `LMDB ${name}`,
    region: config.id,
    permits: needle => isPlacedIn(needle, config.id),
    // Leases name their holder's slot, the registry names every region.
    control: name === 'online' ? 'lease/' : config.id,
    scan: () => pairs(join(config.dataDir, 'lmdb', name)),
  }));
}

async function* pairs(path: string): AsyncGenerator<CanaryItem> {
  const root = open<unknown, string>({ path, noSubdir: false, readOnly: true, maxDbs: MAX_DATABASES });
  try {
    for (const name of [...root.getKeys()]) {
      const database = root.openDB<Buffer, Buffer>({ name, encoding: 'binary', keyEncoding: 'binary' });
      let ordinal = 0;
      for (const { key, value } of database.getRange({ snapshot: false })) {
        ordinal += 1;
        yield { where: `${name} pair ${ordinal}`, bytes: Buffer.concat([key, value]) };
      }
    }
  } finally {
    await root.close();
  }
}
