import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import { encodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { regionId } from '@featuremesh/domain/region-id';
import { testGroup, testPolicy, testState } from '../generators/mesh-states.ts';
import { testKey, testRow } from '../generators/packed-rows.ts';

/** The two regions of link tests. */
export const [EAST, WEST] = [regionId('us-east-1'), regionId('us-west-2')];

/** A group that policy lets travel between them, and one that it keeps in the east. */
export const SHARED_GROUP: CatalogueGroup = testGroup({
  id: 'sharedaaaaaaaaaa',
  name: 'shared',
  sync: { mode: 'active-active', regions: [EAST, WEST] },
});
/** A group that stays where it was accepted. */
export const PINNED_GROUP: CatalogueGroup = testGroup({
  id: 'pinnedaaaaaaaaaa',
  name: 'pinned',
  sync: { mode: 'active-active', regions: [EAST, WEST] },
});

/** What `self` knows: both groups wish to travel, and policy permits the named ones. */
export function linkState(self: string, revision: number, permitted: readonly string[]): MeshState {
  return testState({
    revision,
    region: regionId(self),
    groups: [PINNED_GROUP, SHARED_GROUP],
    policies: [
      testPolicy({
        rows: 'shared',
        select: { groups: permitted.map(name => `${EAST}/${name}`), tags: [], entities: [] },
        allowed: { regions: [EAST, WEST], jurisdictions: [] },
      }),
    ],
    policyEpochs: { [EAST]: 1 },
  });
}

/** A chunk of `count` rows accepted by `origin`; `salt` tells chunks apart. */
export function testChunk(origin: string, count: number, salt: number): Uint8Array {
  const rows = Array.from({ length: count }, (_, at) => ({
    key: testKey(`${origin} ${salt} ${at}`),
    row: testRow({
      eventTimeUs: BigInt(1_700_000_000_000_000 + salt * 1_000 + at),
      physicalUs: BigInt(1_700_000_000_000_000 + salt),
      counter: at,
      origin,
      payload: `canary-${origin}-${salt}-${at}`,
    }),
  }));
  return encodeFeedChunk(rows);
}
