import type { CassandraStoreConfig } from '@featuremesh/contracts/region-config';
import type { Timer } from '@featuremesh/runtime/timer';
import { RawStore } from '../adapters/cassandra/raw-store.ts';
import { regionGroup } from '../mesh/region-group.ts';

const GROUP = 'us-east-1/nemesis_rows';
/** Rows are applied again at thousands a second; after this long what is missing is taken not to come by itself. */
const WITHIN_MS = 120_000;
/** The longest start of two nodes, one after the other, on a busy machine. */
const RETURNED_WITHIN_MS = 180_000;
const POLL_MS = 500;
/** Keys that a report names at the most, by number only. */
const MAX_DIFFERING = 3;

/** A region whose rows are in two data centres. */
export interface TwofoldRegion {
  readonly region: { readonly url: string };
  /** What region.yaml says of its cluster, seen from a data centre. */
  readonly storeIn: (dataCentre: 'dc1' | 'dc2') => CassandraStoreConfig;
}

/** What came of waiting: `tookMs` is undefined where rows had to be repaired. */
export interface CaughtUp {
  readonly repairedRows: number;
  readonly tookMs: number | undefined;
  readonly differing: readonly string[];
}

/**
 * Waits until both data centres hold the same bytes: by hints, and by the region, which applies its log again. What that does not bring in
 * time is broken; it is repaired by reads at ALL all the same and counted, to know whether it could be.
 */
export async function caughtUp({ region, storeIn }: TwofoldRegion, timer: Timer): Promise<CaughtUp> {
  const { id, version } = await regionGroup(region.url, GROUP);
  const near = await connected(storeIn('dc1'), timer);
  const far = await connected(storeIn('dc2'), timer);
  try {
    const table = await near.tableOf(id, version);
    const startedMs = performance.now();
    const differing = async (): Promise<readonly Buffer[]> =>
      differences(await near.all(table, 'quorum'), await far.all(table, 'one'));
    let differ = await differing();
    while (differ.length > 0 && performance.now() - startedMs < WITHIN_MS) {
      await timer.sleep(POLL_MS);
      differ = await differing();
    }
    const tookMs = performance.now() - startedMs;
    if (differ.length === 0) return { repairedRows: 0, tookMs, differing: [] };
    const repairedRows = differ.length;
    for (const key of differ) await near.repair(table, key);
    const still = await differing();
    const lines = still
      .slice(0, MAX_DIFFERING)
      .map((_, at) => `the data centres differ in ${still.length} rows (${at + 1})`);
    const repaired = `only a repair by reading brought ${repairedRows} rows to a data centre`;
    return { repairedRows, tookMs: undefined, differing: [repaired, ...lines] };
  } finally {
    await Promise.all([near.close(), far.close()]);
  }
}

/** A node that was killed last may still be starting. */
async function connected(store: CassandraStoreConfig, timer: Timer): Promise<RawStore> {
  const deadlineMs = performance.now() + RETURNED_WITHIN_MS;
  for (;;) {
    try {
      return await RawStore.connect(store);
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
      await timer.sleep(POLL_MS);
    }
  }
}

function differences(near: ReadonlyMap<string, Buffer>, far: ReadonlyMap<string, Buffer>): readonly Buffer[] {
  const keys = new Set([...near.keys(), ...far.keys()]);
  const empty = Buffer.alloc(0);
  return [...keys]
    .filter(key => Buffer.compare(near.get(key) ?? empty, far.get(key) ?? empty) !== 0)
    .map(key => Buffer.from(key, 'latin1'));
}
