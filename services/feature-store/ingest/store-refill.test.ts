import type { LinkStatus } from '@featuremesh/contracts/link-status';
import { EAST, linkState, PINNED_GROUP, SHARED_GROUP, WEST } from '@featuremesh/testkit/links/link-world';
import { MemoryOnlineStore } from '@featuremesh/testkit/memory/memory-online-store';
import { beforeEach, expect, test } from 'vitest';
import { importsWatermark } from './applied-names.ts';
import { NO_STEP } from './replay-step.ts';
import { StoreRefill } from './store-refill.ts';

const shared = { groupId: SHARED_GROUP.id, version: 1, generation: 1 };
const pinned = { groupId: PINNED_GROUP.id, version: 1, generation: 1 };
let nowMs: number;
const clock = { nowMs: () => nowMs, nowUs: () => 0n };
let store: MemoryOnlineStore;
let counts: Record<string, number>;
let links: readonly Partial<LinkStatus>[];

beforeEach(async () => {
  nowMs = Date.parse('2026-07-01T00:00:00Z');
  store = new MemoryOnlineStore();
  await store.ensureTables([shared, pinned]);
  counts = { [`${SHARED_GROUP.id}/1`]: 40, [`${PINNED_GROUP.id}/1`]: 7 };
  links = [];
});

/** What the agent reports of the link from a peer. */
const linkFrom = (peer: LinkStatus['peer'], connected: boolean): LinkStatus => ({
  ...{ peer, connected, direction: 'in', linkEpoch: 'l1', linkSeq: 1, pendingBatches: 0, lagMs: null },
  ...{ gaps: 0, heldBatches: 0, shippedRows: 0, importedRows: 0, refusedBatches: 0 },
});

function refill(): StoreRefill {
  const state = linkState(EAST, 1, ['shared']);
  return new StoreRefill({
    store,
    registry: {
      state: () => state,
      tablePlacements: async () => [shared, pinned].map(table => ({ ...table, held: true })),
      reports: () => ({ links: { links, atMs: 0 } }),
    },
    counts: {
      read: async () => counts,
      save: async saved => {
        counts = { ...saved };
      },
    },
    clock,
  });
}

const imported = (sequence: number): Promise<unknown> =>
  store.apply({ ...NO_STEP, watermark: { name: importsWatermark('e1'), sequence } });
const filled = (one: StoreRefill, throughSequence: number): Promise<boolean> =>
  one.filled({ peer: WEST, groupId: SHARED_GROUP.id, version: 1, throughSequence });

test('a replicated group is awaited from its peer until the snapshot is applied; of a local one the lost rows are told', async () => {
  const one = refill();
  await one.look('e1');
  expect([one.awaits(shared), one.owed(WEST), await one.state()]).toEqual([false, [], undefined]);
  await one.begin();
  await one.look('e1');
  expect([one.awaits(shared), one.isEmpty(shared), one.awaits(pinned)]).toEqual([true, true, false]);
  expect(one.owed(WEST)).toEqual([{ groupId: SHARED_GROUP.id, version: 1 }]);
  const lost = [{ group: `${EAST}/pinned`, version: 1, rows: 7 }];
  expect(await one.state()).toEqual({
    awaited: [{ group: `${EAST}/shared`, version: 1, peers: [WEST] }],
    lost,
  });
  await imported(8);
  expect([await filled(one, 9), one.awaits(shared)]).toEqual([false, true]);
  await imported(9);
  expect([await filled(one, 9), one.awaits(shared), one.isPending]).toEqual([true, false, false]);
  expect(await one.state()).toEqual({ awaited: [], lost });
});

test('another process, and one that is started anew, awaits the same; what has come is not awaited again', async () => {
  const [one, two] = [refill(), refill()];
  await one.begin();
  await two.look('e1');
  expect(two.awaits(shared)).toBe(true);
  await imported(9);
  await filled(two, 9);
  await one.begin();
  await one.look('e1');
  expect(one.awaits(shared)).toBe(false);
});

test('a report of a group that is not owed makes no mark', async () => {
  const one = refill();
  await one.look('e1');
  await imported(9);
  expect(await filled(one, 9)).toBe(true);
  await one.begin();
  await one.look('e1');
  expect(one.awaits(shared)).toBe(true);
});

test('lost rows that were written again are no longer told, and counts are kept for the next time', async () => {
  const one = refill();
  await one.begin();
  const rows = Array.from({ length: 5 }, (_, at) => ({
    key: Uint8Array.of(at),
    row: new Uint8Array(80).fill(at + 1),
  }));
  await store.apply({ table: pinned, rows });
  await one.look('e1');
  expect((await one.state())?.lost).toEqual([{ group: `${EAST}/pinned`, version: 1, rows: 2 }]);
  await one.count();
  expect(counts).toEqual({ [`${SHARED_GROUP.id}/1`]: 0, [`${PINNED_GROUP.id}/1`]: 5 });
});

test('regions that have all lost a group give each other what their logs had after a minute, read it, and say what is missing', async () => {
  const one = refill();
  const look = async (afterMs: number): Promise<readonly boolean[]> => {
    nowMs += afterMs;
    await one.look('e1');
    return [one.isEmpty(shared), one.awaits(shared)];
  };
  await one.begin();
  // A holder that cannot be reached may have the rows: no time counts.
  expect(await look(0)).toEqual([true, true]);
  expect(await look(600_000)).toEqual([true, true]);
  links = [linkFrom(WEST, true)];
  expect(await look(0)).toEqual([true, true]);
  expect(await look(59_000)).toEqual([true, true]);
  links = [linkFrom(WEST, false)];
  expect(await look(1_000)).toEqual([true, true]);
  links = [linkFrom(WEST, true)];
  expect(await look(59_000)).toEqual([true, true]);
  expect(await look(60_000)).toEqual([false, true]);
  expect((await one.state())?.lost).toContainEqual({ group: `${EAST}/shared`, version: 1, rows: 40 });
  // The peer does the same; what its log had has come, twelve rows.
  const rows = Array.from({ length: 12 }, (_, at) => ({ key: Uint8Array.of(at), row: new Uint8Array(80) }));
  await store.apply({ table: shared, rows });
  await imported(9);
  await filled(one, 9);
  expect(await look(0)).toEqual([false, false]);
  expect(await one.state()).toEqual({
    awaited: [],
    lost: expect.arrayContaining([{ group: `${EAST}/shared`, version: 1, rows: 28 }]),
  });
});
