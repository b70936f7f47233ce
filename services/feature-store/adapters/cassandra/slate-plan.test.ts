import { expect, test } from 'vitest';
import { planSlate } from './slate-plan.ts';

const keys = (count: number): Buffer[] => Array.from({ length: count }, (_, at) => Buffer.from(`k${at}`));

test('few keys are asked for one by one, in their order, duplicates included', () => {
  const asked = [...keys(3), ...keys(1)];
  expect(planSlate(asked, () => ['a'], 5)).toEqual({ kind: 'singles', keys: asked });
});

test('many keys are grouped by the replica that holds them, each once, in statements of bounded size', () => {
  const asked = [...keys(450), ...keys(20)];
  const replicaOf = (key: Buffer): readonly string[] => [`node-${(key.at(-1) ?? 0) % 2}`];
  const plan = planSlate(asked, replicaOf, 5);
  if (plan.kind !== 'grouped') throw new Error('grouped');
  expect(plan.parts.flat().toSorted(Buffer.compare)).toEqual(keys(450).toSorted(Buffer.compare));
  for (const part of plan.parts) {
    expect(part.length).toBeLessThanOrEqual(100);
    expect(new Set(part.map(key => replicaOf(key)[0])).size).toBe(1);
  }
  expect(plan.parts.length).toBe(6);
});
