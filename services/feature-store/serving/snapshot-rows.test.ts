import { testGroup, testState } from '@featuremesh/testkit/generators/mesh-states';
import { testKey, testRow } from '@featuremesh/testkit/generators/packed-rows';
import { MemoryOnlineStore } from '@featuremesh/testkit/memory/memory-online-store';
import { expect, test } from 'vitest';
import type { TableRef } from '../ports/online-store.ts';
import { snapshotRows } from './snapshot-rows.ts';

const GROUP = 'aaaaaaaaaaaaaaaa';
const TABLE: TableRef = { groupId: GROUP, version: 1, generation: 1 };
const NOW_MS = Date.parse('2026-06-01T00:00:00Z');
const clock = { nowMs: () => NOW_MS, nowUs: () => BigInt(NOW_MS) * 1_000n };

test('a snapshot leaves out what has expired, page by page, and goes on behind a page of nothing else', async () => {
  const store = new MemoryOnlineStore();
  await store.ensureTables([TABLE]);
  const ages = { a: 1_000, b: 61_000, c: 62_000, d: 59_000 };
  const rows = Object.entries(ages).map(([id, ageMs]) => ({
    key: testKey(id),
    row: testRow({ eventTimeUs: BigInt(NOW_MS - ageMs) * 1_000n, deleted: id === 'c' }),
  }));
  await store.apply({ table: TABLE, rows });
  const state = testState({ groups: [testGroup({ id: GROUP, retentionMs: 60_000 })] });
  const parts = { state, store, tableFor: () => TABLE, clock };
  const pages: string[][] = [];
  let after: string | undefined;
  do {
    const page = await snapshotRows(parts, { group: GROUP, version: 1, after, limit: 1 });
    pages.push(page.rows.map(({ key }) => Buffer.from(key.subarray(2)).toString()));
    after = page.next;
  } while (after !== undefined);
  expect(pages).toEqual([['a'], [], [], ['d'], []]);
});
