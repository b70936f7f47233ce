import { expect, test } from 'vitest';
import type { StoredRow } from '../../ports/online-store.ts';
import { bufferOf } from './cql.ts';
import { listOf, planBatches, planSlate, SlateTraffic } from './slate-plan.ts';

const keys = (count: number): Buffer[] => Array.from({ length: count }, (_, at) => Buffer.from(`k${at}`));
const idsOf = (asked: readonly Buffer[]): string[] => asked.map(key => key.toString());
const replicaOf = (key: Buffer): string => `node-${(key.at(-1) ?? 0) % 2}`;

test('single reads are for one key, and for a middling slate that is alone', () => {
  let nowMs = 1_000;
  const traffic = new SlateTraffic({ monotonicMs: () => nowMs });
  const kinds = (): string =>
    [1, 2, 15, 16, 51, 99, 100, 1_000]
      .map(keys => {
        const [kind = ''] = traffic.begins(keys);
        traffic.ends(keys);
        return kind;
      })
      .join('');
  expect(kinds()).toBe('sggsssgg');
  // Beside a few keys it is alone, beside another slate not, nor for a while afterwards.
  traffic.begins(3);
  expect(kinds()).toBe('sggsssgg');
  traffic.begins(51);
  expect(kinds()).toBe('sggggggg');
  traffic.ends(54);
  nowMs += 90;
  expect(kinds()).toBe('sggggggg');
  nowMs += 20;
  expect(kinds()).toBe('sggsssgg');
});

test('groups hold the keys of one replica, each once, in statements of bounded size', () => {
  const asked = [...keys(450), ...keys(20)];
  const parts = planSlate(asked, idsOf(asked), replicaOf);
  expect(parts.flat().toSorted(Buffer.compare)).toEqual(keys(450).toSorted(Buffer.compare));
  for (const part of parts) {
    expect(part.length).toBeLessThanOrEqual(100);
    expect(new Set(part.map(replicaOf)).size).toBe(1);
  }
  expect(parts.length).toBe(6);
});

test('where every node holds all keys only the size of a statement divides them', () => {
  const asked = [...keys(150), ...keys(150)];
  expect(planSlate(asked, idsOf(asked), undefined).map(({ length }) => length)).toEqual([100, 50]);
});

test('batches hold rows of one replica, each row once, few and short enough that the server does not warn', () => {
  const rows: StoredRow[] = keys(95).map((key, at) => ({
    key,
    row: Buffer.alloc(at === 40 ? 12_000 : 60 + 10 * at),
  }));
  const batches = planBatches(rows, replicaOf);
  expect(batches.flat().toSorted((a, b) => rows.indexOf(a) - rows.indexOf(b))).toEqual(rows);
  for (const batch of batches) {
    expect(new Set(batch.map(({ key }) => replicaOf(bufferOf(key)))).size).toBe(1);
    expect(batch.length).toBeLessThanOrEqual(10);
    const bytes = batch.reduce((sum, { key, row }) => sum + key.length + row.length, 0);
    expect(bytes <= 4_096 || batch.length === 1).toBe(true);
  }
  expect(planBatches(rows.slice(0, 30), undefined).map(({ length }) => length)).toEqual([10, 10, 10]);
});

test('a list of blobs is written as the protocol says', () => {
  const list = listOf([Buffer.from('ab'), new Uint8Array([7])]);
  expect(list.toString('hex')).toBe(['00000002', '00000002', '6162', '00000001', '07'].join(''));
});
