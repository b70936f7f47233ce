import type { Position } from '@featuremesh/domain/position';
import { regionId } from '@featuremesh/domain/region-id';
import { compareRows } from '@featuremesh/domain/row-order';
import type {
  ApplyStep,
  OnlineStore,
  StoredRow,
  TableRef,
} from '@featuremesh/feature-store/ports/online-store';
import type { StampBounds } from '@featuremesh/feature-store/ports/stamp-bounds';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { arbitraryRow, testKey, testRow } from '../generators/packed-rows.ts';
import { leaseTests } from './lease-conformance.ts';
import { purgeTests } from './purge-conformance.ts';
import { codeOf, GROUP, type OnlineStoreSubject, type Store, stored, TABLE } from './store-subject.ts';

const OTHER: TableRef = { groupId: GROUP, version: 2, generation: 1 };
const US = regionId('us-east-1');
const EU = regionId('eu-west-1');

/** Cases of the property test; each has keys of its own, since stores may be slow to make tables. */
const PROPERTY_RUNS = 40;

/** Runs every promise of the OnlineStore port (and of StampBounds) against a store; each test gets a fresh one. */
export function onlineStoreConformance(name: string, open: () => Promise<OnlineStoreSubject>): void {
  describe(`online store: ${name}`, () => {
    let subject: OnlineStoreSubject;
    let store: OnlineStore & StampBounds;

    beforeEach(async () => {
      subject = await open();
      store = subject.store;
      await store.ensureTables([TABLE]);
    });

    afterEach(async () => {
      await store.close();
      await subject.remove();
    });

    const current = (): OnlineStore & StampBounds => store;
    rowTests(current);
    orderTests(current);
    tableTests(current, () => subject);
    watermarkTests(current);
    stepTests(current, () => subject);
    idempotencyTests(current, () => subject);
    leaseTests(current, () => subject);
    purgeTests(current);
  });
}

async function readOne(store: OnlineStore, id: string, table = TABLE): Promise<Uint8Array | undefined> {
  const [row] = await store.read(table, [testKey(id)]);
  return row === undefined ? undefined : Uint8Array.from(row);
}

function rowTests(store: Store): void {
  test('rows are read in the order asked, duplicates and missing keys included', async () => {
    const [a, b] = [testRow({ eventTimeUs: 1n }), testRow({ eventTimeUs: 2n })];
    const outcome = await store().apply({ table: TABLE, rows: [stored('a', a), stored('b', b)] });
    expect(outcome).toEqual({ applied: 2, older: 0 });
    const read = await store().read(TABLE, ['b', 'x', 'a', 'b'].map(testKey));
    expect(read.map(row => row && Uint8Array.from(row))).toEqual([b, undefined, a, b]);
  });

  test('what was read stays as it is when the row is replaced and other rows are read', async () => {
    const first = testRow({ eventTimeUs: 1n, payload: 'first' });
    await store().apply({ table: TABLE, rows: [stored('a', first)] });
    const [read] = await store().read(TABLE, [testKey('a')]);
    await store().apply({
      table: TABLE,
      rows: [stored('a', testRow({ eventTimeUs: 2n, payload: 'other' }))],
    });
    await store().read(TABLE, [testKey('a')]);
    expect(Uint8Array.from(read ?? [])).toEqual(first);
  });

  test('keys of any permitted length and bytes are kept apart', async () => {
    const keys = [new Uint8Array([0]), new Uint8Array([0, 0]), new Uint8Array(1024).fill(255), testKey('a')];
    const rows = keys.map((key, at) => ({ key, row: testRow({ eventTimeUs: BigInt(at) }) }));
    await store().apply({ table: TABLE, rows });
    const read = await store().read(TABLE, keys);
    expect(read.map(row => row && Uint8Array.from(row))).toEqual(rows.map(({ row }) => row));
  });

  test('rows of 12 KiB survive whole', async () => {
    const row = testRow({ eventTimeUs: 5n, payload: 'x'.repeat(12 * 1024 - 56) });
    await store().apply({ table: TABLE, rows: [stored('large', row)] });
    expect(await readOne(store(), 'large')).toEqual(row);
  });

  test('logical deletions are rows like others', async () => {
    const deletion = testRow({ eventTimeUs: 9n, deleted: true });
    await store().apply({
      table: TABLE,
      rows: [stored('a', testRow({ eventTimeUs: 8n })), stored('a', deletion)],
    });
    expect(await readOne(store(), 'a')).toEqual(deletion);
    expect(await store().countRows(TABLE)).toBe(1);
  });

  test('a scan gives each row once, in an order that stays the same, from after a key', async () => {
    const ids = ['m', 'a', 'z', 'b', 'y'];
    await store().apply({ table: TABLE, rows: ids.map(id => stored(id, testRow({ eventTimeUs: 1n }))) });
    const keysOf = (rows: readonly StoredRow[]): readonly Uint8Array[] =>
      rows.map(({ key }) => Uint8Array.from(key));
    const all = keysOf(await store().scan(TABLE, { limit: 10 }));
    expect(all.toSorted(Buffer.compare)).toEqual(ids.toSorted().map(testKey));
    expect(keysOf(await store().scan(TABLE, { limit: 2 }))).toEqual(all.slice(0, 2));
    for (const [at, after] of all.entries()) {
      expect(keysOf(await store().scan(TABLE, { after, limit: 2 }))).toEqual(all.slice(at + 1, at + 3));
      expect(keysOf(await store().scan(TABLE, { after, limit: 10 }))).toEqual(all.slice(at + 1));
    }
  });
}

function orderTests(store: Store): void {
  test('of two rows of one step the greater stays, and is counted', async () => {
    const [old, young] = [testRow({ eventTimeUs: 1n }), testRow({ eventTimeUs: 2n })];
    expect(await store().apply({ table: TABLE, rows: [stored('a', young), stored('a', old)] })).toEqual({
      applied: 1,
      older: 1,
    });
    expect(await readOne(store(), 'a')).toEqual(young);
  });

  test('S2, S4: rows in every order and repetition leave the greatest of each key', async () => {
    const writes = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), arbitraryRow()), { maxLength: 24 });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(writes, fc.array(fc.nat(), { maxLength: 8 }), async (rows, again) => {
        run += 1;
        const repeated = again.flatMap(at => rows.slice(at % (rows.length + 1)));
        const all = [...rows, ...repeated].map(([id, row]) => stored(`${id}${run}`, row));
        const half = all.length >> 1;
        await Promise.all([
          store().apply({ table: TABLE, rows: all.slice(0, half) }),
          store().apply({ table: TABLE, rows: all.slice(half) }),
        ]);
        for (const id of ['a', 'b', 'c']) {
          const greatest = rows
            .filter(([other]) => other === id)
            .map(([, row]) => row)
            .toSorted(compareRows)
            .at(-1);
          expect(await readOne(store(), `${id}${run}`)).toEqual(greatest);
        }
      }),
      { numRuns: PROPERTY_RUNS },
    );
  });

  test('S3: readers beside writers see whole rows only', async () => {
    const versions = Array.from({ length: 40 }, (_, at) =>
      testRow({ eventTimeUs: BigInt(at), payload: String(at).padEnd(200 + at * 7, String(at)) }),
    );
    const known = new Set(versions.map(row => Buffer.from(row).toString('base64')));
    const writing = versions.map(row => store().apply({ table: TABLE, rows: [stored('a', row)] }));
    for (let reads = 0; reads < 40; reads += 1) {
      const row = await readOne(store(), 'a');
      if (row !== undefined) expect(known.has(Buffer.from(row).toString('base64'))).toBe(true);
    }
    await Promise.all(writing);
    expect(await readOne(store(), 'a')).toEqual(versions.at(-1));
  });
}

function tableTests(store: Store, subject: () => OnlineStoreSubject): void {
  test('tables are listed, apart from each other, and dropped with their rows', async () => {
    await store().ensureTables([TABLE, OTHER]);
    await store().apply({ table: TABLE, rows: [stored('a', testRow({ eventTimeUs: 1n }))] });
    expect(await readOne(store(), 'a', OTHER)).toBeUndefined();
    expect((await store().listTables()).toSorted((a, b) => a.version - b.version)).toEqual([TABLE, OTHER]);
    await store().dropTable(TABLE);
    await store().dropTable(TABLE);
    expect(await store().listTables()).toEqual([OTHER]);
    await store().ensureTables([TABLE]);
    expect(await readOne(store(), 'a')).toBeUndefined();
    expect(await store().countRows(TABLE)).toBe(0);
  });

  test('V5: a table that is not there is a failure, never a missing key', async () => {
    expect(await codeOf(store().read(OTHER, [testKey('a')]))).toBe('STORE_UNAVAILABLE');
    expect(await codeOf(store().scan(OTHER, { limit: 1 }))).toBe('STORE_UNAVAILABLE');
    expect(await codeOf(store().countRows(OTHER))).toBe('STORE_UNAVAILABLE');
    const step = { table: OTHER, rows: [stored('a', testRow({ eventTimeUs: 1n }))] };
    expect(await codeOf(store().apply({ ...step, watermark: { name: 'w', sequence: 1 } }))).toBe(
      'STORE_UNAVAILABLE',
    );
    expect(await store().watermark('w')).toBe(0);
  });

  test('V5: a table that another process dropped is a failure as well', async () => {
    await store().read(TABLE, [testKey('a')]);
    const other = await subject().reopen();
    await other.dropTable(TABLE);
    expect(await codeOf(store().read(TABLE, [testKey('a')]))).toBe('STORE_UNAVAILABLE');
    const step = { table: TABLE, rows: [stored('a', testRow({ eventTimeUs: 1n }))] };
    expect(await codeOf(store().apply(step))).toBe('STORE_UNAVAILABLE');
    await other.close();
  });

  test('a table made by another process is readable here', async () => {
    const other = await subject().reopen();
    await other.ensureTables([OTHER]);
    const row = testRow({ eventTimeUs: 3n });
    await other.apply({ table: OTHER, rows: [stored('a', row)] });
    expect(await readOne(store(), 'a', OTHER)).toEqual(row);
    await other.close();
  });

  test('the number of tables is bounded', async () => {
    const tables = Array.from({ length: subject().maxTables }, (_, at) => ({ ...TABLE, generation: at + 1 }));
    await store().ensureTables(tables);
    expect(await codeOf(store().ensureTables([{ ...TABLE, generation: 99 }]))).toBe('TABLE_LIMIT');
    await store().ensureTables(tables);
  });
}

const position = (sequence: number, more: Partial<Position> = {}): Position => ({
  ...{ origin: US, feedEpoch: 'e1', groupId: GROUP, appender: 0, sequence },
  ...more,
});

const chained = (sequence: number, after: number): ApplyStep => ({
  table: TABLE,
  rows: [stored(`k${sequence}`, testRow({ eventTimeUs: 1n }))],
  watermark: { name: 'own.0', sequence, after },
  positions: [position(sequence)],
});

function watermarkTests(store: Store): void {
  test('S7: a watermark never goes back', async () => {
    const move = (sequence: number): Promise<unknown> =>
      store().apply({ table: TABLE, rows: [], watermark: { name: 'own.0', sequence } });
    await move(7);
    await move(3);
    expect(await store().watermark('own.0')).toBe(7);
    expect(await store().watermark('own.1')).toBe(0);
  });

  test('a chained watermark does not pass a step that is missing, whose rows are applied by the others', async () => {
    const step = chained;
    await Promise.all([store().apply(step(2, 0)), store().apply(step(9, 5)), store().apply(step(12, 9))]);
    expect(await store().watermark('own.0')).toBe(2);
    expect(await store().countRows(TABLE)).toBe(3);
    await store().apply(step(5, 2));
    await store().apply(step(9, 5));
    expect(await store().watermark('own.0')).toBe(9);
  });

  test('V6: a step behind one that is missing claims no position, though its rows are applied', async () => {
    const step = chained;
    await store().apply(step(2, 0));
    await store().apply(step(9, 5));
    expect(await store().appliedPosition(position(0))).toBe(2);
    expect(await store().countRows(TABLE)).toBe(2);
    await store().apply(step(5, 2));
    expect(await store().appliedPosition(position(0))).toBe(5);
    await store().apply(step(9, 5));
    expect(await store().appliedPosition(position(0))).toBe(9);
    // Seen again after the watermark has passed it, a step claims what it always did.
    await store().apply({ ...step(5, 2), positions: [position(5, { appender: 1 })] });
    expect(await store().appliedPosition(position(0, { appender: 1 }))).toBe(5);
  });
}

function stepTests(store: Store, subject: () => OnlineStoreSubject): void {
  test('positions are kept per origin, log, group and appender, and only rise', async () => {
    const mine = [position(5), position(9, { appender: 1 }), position(4, { origin: EU, feedEpoch: 'x7' })];
    await store().apply({ table: TABLE, rows: [], positions: mine });
    await store().apply({ table: TABLE, rows: [], positions: [position(2)] });
    expect(await store().appliedPosition(position(0))).toBe(5);
    expect(await store().appliedPosition(position(0, { feedEpoch: 'e2' }))).toBe(0);
    const sorted = (all: readonly Position[]): readonly Position[] =>
      all.toSorted((a, b) => a.sequence - b.sequence);
    expect(sorted(await store().appliedPositions(GROUP))).toEqual(sorted(mine));
    expect(await store().appliedPositions('bbbbbbbbbbbbbbbb')).toEqual([]);
  });

  test('all of a step is there after opening anew', async () => {
    const row = testRow({ eventTimeUs: 11n });
    const record = { id: 'i', bodyHash: 'h', answer: '{}', storedAtMs: 5 };
    await store().apply({
      table: TABLE,
      rows: [stored('a', row)],
      watermark: { name: 'own.0', sequence: 3 },
      positions: [position(3)],
      idempotency: record,
    });
    const again = await subject().reopen();
    expect(await readOne(again, 'a')).toEqual(row);
    expect(await again.watermark('own.0')).toBe(3);
    expect(await again.appliedPosition(position(0))).toBe(3);
    expect(await again.idempotency('i')).toEqual(record);
    await again.close();
  });
}

function idempotencyTests(store: Store, subject: () => OnlineStoreSubject): void {
  const remember = (id: string, storedAtMs: number, answer = 'first'): Promise<unknown> =>
    store().apply({ table: TABLE, rows: [], idempotency: { id, bodyHash: 'h', answer, storedAtMs } });

  test('the first record of an id stays, and is counted once', async () => {
    await remember('i', 1);
    await remember('i', 2, 'second');
    expect(await store().idempotency('i')).toEqual({
      id: 'i',
      bodyHash: 'h',
      answer: 'first',
      storedAtMs: 1,
    });
    expect(await store().idempotency('j')).toBeUndefined();
    expect(await store().countIdempotency()).toBe(1);
  });

  test('a sweep removes the oldest ones before a time, at most as many as asked', async () => {
    for (const at of [5, 1, 3, 2, 4]) await remember(`i${at}`, at);
    expect(await store().sweepIdempotency(4, 2)).toBe(2);
    expect(await store().idempotency('i2')).toBeUndefined();
    expect(await store().sweepIdempotency(4, 2)).toBe(1);
    expect(await store().sweepIdempotency(4, 2)).toBe(0);
    expect(await store().countIdempotency()).toBe(2);
    const again = await subject().reopen();
    expect(await again.idempotency('i4')).toBeDefined();
    expect(await again.countIdempotency()).toBe(2);
    await again.close();
  });
}
