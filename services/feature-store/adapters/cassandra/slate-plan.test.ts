import { expect, test } from 'vitest';
import { BUSY_STATEMENTS, planSlate, slateKind } from './slate-plan.ts';

const keys = (count: number): Buffer[] => Array.from({ length: count }, (_, at) => Buffer.from(`k${at}`));

test('single reads are for one key, and for a middling slate while the process is idle', () => {
  const kinds = (statementsInFlight: number): string[] =>
    [1, 2, 15, 16, 51, 99, 100, 1_000].map(count => slateKind(count, statementsInFlight)[0] ?? '');
  expect(kinds(0).join('')).toBe('sggsssgg');
  expect(kinds(BUSY_STATEMENTS).join('')).toBe('sggggggg');
});

test('single reads keep the order, duplicates included', () => {
  const asked = [...keys(3), ...keys(1)];
  expect(planSlate('singles', asked, () => ['a'])).toEqual({ kind: 'singles', keys: asked });
});

test('groups hold the keys of one replica, each once, in statements of bounded size', () => {
  const asked = [...keys(450), ...keys(20)];
  const replicaOf = (key: Buffer): readonly string[] => [`node-${(key.at(-1) ?? 0) % 2}`];
  const plan = planSlate('grouped', asked, replicaOf);
  if (plan.kind !== 'grouped') throw new Error('grouped');
  expect(plan.parts.flat().toSorted(Buffer.compare)).toEqual(keys(450).toSorted(Buffer.compare));
  for (const part of plan.parts) {
    expect(part.length).toBeLessThanOrEqual(100);
    expect(new Set(part.map(key => replicaOf(key)[0])).size).toBe(1);
  }
  expect(plan.parts.length).toBe(6);
});
