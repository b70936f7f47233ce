import { RetentionSweeper } from '@featuremesh/feature-store/ingest/retention-sweeper';
import type { OnlineStore, TableRef } from '@featuremesh/feature-store/ports/online-store';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { afterEach, expect, test } from 'vitest';
import { testGroup, testState } from '../generators/mesh-states.ts';
import { testKey, testRow } from '../generators/packed-rows.ts';
import { NO_METRICS, simulatedLogger } from '../simulation/quiet.ts';
import { GROUP, type Store, stored, TABLE } from './store-subject.ts';

const read = async (store: OnlineStore, ids: readonly string[], table = TABLE): Promise<unknown[]> =>
  (await store.read(table, ids.map(testKey), { settled: true })).map(row => row && Uint8Array.from(row));

/** What the port promises of rows that are removed for good, and the sweep that removes them, on this store. */
export function purgeTests(store: Store): void {
  test('S8: a purge removes a row up to its event time; a later one stays, and comes, whatever was purged', async () => {
    const [old, young] = [testRow({ eventTimeUs: 5n, payload: 'old' }), testRow({ eventTimeUs: 6n })];
    const deletion = testRow({ eventTimeUs: 5n, deleted: true });
    const rows = [stored('a', old), stored('b', young), stored('c', deletion), stored('d', old)];
    await store().apply({ table: TABLE, rows });
    // What was read as old may have been replaced since; what a scan saw may be gone.
    await store().purge(TABLE, [...['a', 'b', 'x'].map(id => stored(id, old)), stored('c', deletion)]);
    expect(await read(store(), ['a', 'b', 'c', 'd', 'x'])).toEqual([
      undefined,
      young,
      undefined,
      old,
      undefined,
    ]);
    expect((await store().scan(TABLE, { limit: 10 })).length).toBe(2);
    await store().purge(TABLE, [stored('a', old)]);
    await store().apply({ table: TABLE, rows: [stored('a', young), stored('c', young)] });
    expect(await read(store(), ['a', 'c'])).toEqual([young, young]);
  });

  test('S8: a row that is applied while an older one is purged is there afterwards', async () => {
    const old = testRow({ eventTimeUs: 5n });
    const young = testRow({ eventTimeUs: 6n });
    const ids = Array.from({ length: 40 }, (_, at) => `k${at}`);
    await store().apply({ table: TABLE, rows: ids.map(id => stored(id, old)) });
    await Promise.all(
      ids.flatMap(id => [
        store().apply({ table: TABLE, rows: [stored(id, young)] }),
        store().purge(TABLE, [stored(id, old)]),
      ]),
    );
    expect(await read(store(), ids)).toEqual(ids.map(() => young));
  });

  test('a table of the next generation is empty, and takes at once what was deleted or purged in the one before', async () => {
    const next: TableRef = { ...TABLE, generation: 2 };
    const row = testRow({ eventTimeUs: 5n });
    await store().apply({
      table: TABLE,
      rows: [stored('a', testRow({ eventTimeUs: 9n, deleted: true })), stored('b', row)],
    });
    await store().purge(TABLE, [stored('b', row)]);
    await store().dropTable(TABLE);
    await store().ensureTables([next]);
    expect(await read(store(), ['a', 'b'], next)).toEqual([undefined, undefined]);
    await store().apply({ table: next, rows: [stored('a', row), stored('b', row)] });
    expect(await read(store(), ['a', 'b'], next)).toEqual([row, row]);
  });

  sweepTests(store);
}

const DAY_MS = 86_400_000;

function sweepTests(store: Store): void {
  const running: RetentionSweeper[] = [];
  afterEach(async () => {
    for (const sweeper of running.splice(0)) await sweeper.stop();
  });

  const start = (nowMs: () => number): RetentionSweeper => {
    const group = testGroup({ id: GROUP, retentionMs: 30 * DAY_MS });
    const sweeper = new RetentionSweeper({
      registry: { state: () => testState({ groups: [group] }) },
      tables: { tableFor: () => TABLE },
      store: store(),
      patience: { valuesMs: DAY_MS, deletionsMs: 7 * DAY_MS },
      pace: { checkMs: 20, leastMs: 1_000, pageRows: 3, pauseMs: 1 },
      clock: { nowMs, nowUs: () => BigInt(nowMs()) * 1_000n },
      timer: systemTimer,
      random: systemRandom,
      logger: simulatedLogger('sweeper', undefined),
      metrics: NO_METRICS,
    });
    running.push(sweeper);
    sweeper.start();
    return sweeper;
  };

  test('S8: a sweep removes what has expired for long enough, deletions last, and is done by one at a time', async () => {
    const beganMs = Date.now();
    let aheadMs = 0;
    const row = (days: number, deleted = false): Uint8Array =>
      testRow({ eventTimeUs: BigInt(beganMs - days * DAY_MS) * 1_000n, deleted });
    const rows: readonly (readonly [string, Uint8Array])[] = [
      ...[32, 33, 34, 35, 36, 37, 38, 39].map(days => [`old${days}`, row(days)] as const),
      ...[29, 30.5].map(days => [`value${days}`, row(days)] as const),
      ...[29, 32, 36.5, 38].map(days => [`deletion${days}`, row(days, true)] as const),
    ];
    await store().apply({ table: TABLE, rows: rows.map(([id, bytes]) => stored(id, bytes)) });
    const sweepers = [start(() => Date.now() + aheadMs), start(() => Date.now() + aheadMs)];
    const left = async (): Promise<string[]> => {
      const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex');
      const held = new Set((await store().scan(TABLE, { limit: 50 })).map(({ key }) => hex(key)));
      return rows.flatMap(([id]) => (held.has(hex(testKey(id))) ? [id] : []));
    };
    await expect
      .poll(left, { timeout: 30_000 })
      .toEqual(['value29', 'value30.5', 'deletion29', 'deletion32', 'deletion36.5']);
    expect(sweepers.filter(({ isActive }) => isActive).length).toBe(1);
    // Time passes: the next sweep is due, and takes what has aged meanwhile.
    aheadMs = 2 * DAY_MS;
    await expect.poll(left, { timeout: 30_000 }).toEqual(['deletion29', 'deletion32']);
  });
}
