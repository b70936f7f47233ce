import type { Position } from '@featuremesh/domain/position';
import { regionId } from '@featuremesh/domain/region-id';
import type { types } from 'cassandra-driver';
import { expect, test } from 'vitest';
import { AppliedRecords, type ClaimCql } from './applied-records.ts';
import { type CallClass, PASSAGES } from './call-classes.ts';

const GROUP = 'aaaaaaaaaaaaaaaa';
const never = new AbortController().signal;

const position = (appender: number, sequence: number): Position => ({
  ...{ origin: regionId('us-east-1'), feedEpoch: 'e', groupId: GROUP, appender, sequence },
});

/** Keeps what was written by its timestamp, as the server does; `fails` decides which writes are lost. */
class FakeCql implements ClaimCql {
  readonly keyspace = 'k';
  readonly watermarks = new Map<string, number>();
  readonly positions = new Map<number, number>();
  readonly order: string[] = [];
  readonly classes = new Set<CallClass>();
  fails = (_: string): boolean => false;

  async within<T>(_: number, work: (expired: AbortSignal) => Promise<T>): Promise<T> {
    return work(never);
  }

  async execute(
    statement: string,
    values: readonly unknown[],
    { as }: { readonly as: CallClass },
  ): Promise<types.ResultSet> {
    this.classes.add(as);
    await Promise.resolve();
    const what = statement.includes('fm_positions') ? 'position' : 'watermark';
    if (statement.startsWith('SELECT')) {
      const sequence = this.watermarks.get(String(values[0]));
      return { rows: sequence === undefined ? [] : [{ sequence }] } as unknown as types.ResultSet;
    }
    if (this.fails(what)) throw new Error(`${what} lost`);
    this.order.push(what);
    const [kept, id] = what === 'watermark' ? [this.watermarks, values[0]] : [this.positions, values[3]];
    const map = kept as Map<unknown, number>;
    map.set(id, Math.max(map.get(id) ?? 0, Number(values.at(-1))));
    return { rows: [] } as unknown as types.ResultSet;
  }
}

test('what says how far rows are applied never waits behind rows', async () => {
  const cql = new FakeCql();
  const records = new AppliedRecords(cql);
  await records.claim({ name: 'w', sequence: 4 }, [position(0, 4)]);
  expect(await records.watermark('w', never)).toBe(4);
  expect(Array.from(cql.classes, as => PASSAGES[as])).toEqual(['control', 'control']);
});

test('V6: positions are written before the watermark that passes them', async () => {
  const cql = new FakeCql();
  const records = new AppliedRecords(cql);
  await records.claim({ name: 'w', sequence: 4 }, [position(0, 4), position(1, 2)]);
  expect(cql.order).toEqual(['position', 'position', 'watermark']);
});

test('V6: a position that could not be written rides with the next claim, so that no watermark leaves it behind', async () => {
  const cql = new FakeCql();
  const records = new AppliedRecords(cql);
  cql.fails = what => what === 'position';
  await expect(records.claim({ name: 'w', sequence: 4 }, [position(0, 4)])).rejects.toThrow('position lost');
  expect(cql.watermarks.get('w')).toBeUndefined();
  cql.fails = () => false;
  await records.claim({ name: 'w', sequence: 9 }, [position(1, 9)]);
  expect([...cql.positions].toSorted()).toEqual([
    [0, 4],
    [1, 9],
  ]);
  expect(cql.watermarks.get('w')).toBe(9);
});

test('claims that come while others are being written are written together, the greatest of each', async () => {
  const cql = new FakeCql();
  const records = new AppliedRecords(cql);
  const claims = Array.from({ length: 50 }, (_, at) =>
    records.claim({ name: 'w', sequence: at + 1 }, [position(0, at + 1)]),
  );
  await Promise.all(claims);
  expect([cql.watermarks.get('w'), cql.positions.get(0)]).toEqual([50, 50]);
  expect(cql.order.length).toBeLessThanOrEqual(6);
});

test('S7: a chained watermark moves only from where it stands, and is looked up where another process moved it', async () => {
  const cql = new FakeCql();
  const records = new AppliedRecords(cql);
  const moves = (sequence: number, after: number): Promise<boolean> =>
    records.moves({ name: 'w', sequence, after }, never);
  expect(await moves(2, 0)).toBe(true);
  expect(await moves(9, 5)).toBe(false);
  cql.watermarks.set('w', 5);
  expect(await moves(9, 5)).toBe(true);
  expect(await moves(5, 2)).toBe(true);
});

test('steps of one watermark are judged in the order in which they were issued, also where an earlier one fails', async () => {
  const records = new AppliedRecords(new FakeCql());
  const turns = [0, 1, 2].map(() => records.takeTurn('w'));
  const judged: number[] = [];
  const judging = turns.map(({ before }, at) => before.then(() => void judged.push(at)));
  turns[2]?.done();
  turns[1]?.done();
  await judging[0];
  await new Promise(resolve => setTimeout(resolve, 5));
  expect(judged).toEqual([0]);
  turns[0]?.done();
  await Promise.all(judging);
  expect(judged).toEqual([0, 1, 2]);
});
