import type { Client, Host } from 'cassandra-driver';
import { expect, test } from 'vitest';
import { SpeculateReads } from './speculate-reads.ts';

const SELECT = 'SELECT v FROM t WHERE k = ?';

function policyOf(localNodes: readonly boolean[], fallbacks: readonly string[]): SpeculateReads {
  const policy = new SpeculateReads('dc1', fallbacks);
  const hosts = [
    ...localNodes.map(up => ({ datacenter: 'dc1', isUp: () => up })),
    { datacenter: 'dc2', isUp: () => true },
  ] as Host[];
  policy.init({ hosts } as unknown as Client);
  return policy;
}

/** Delays until the further tries of one read, all of which come about. */
function delaysOf(policy: SpeculateReads, query: string | object[] = SELECT): number[] {
  const plan = policy.newPlan('ks', query);
  const delays: number[] = [];
  for (let ms = plan.nextExecution({} as Host); ms >= 0; ms = plan.nextExecution({} as Host)) delays.push(ms);
  return delays;
}

test('a slow read is asked once more, soon of another local node, late of a fallback, and of nobody else', () => {
  expect(delaysOf(policyOf([true, true], ['dc2']))).toEqual([40]);
  expect(delaysOf(policyOf([true], ['dc2']))).toEqual([400]);
  expect(delaysOf(policyOf([true, false], ['dc2']))).toEqual([400]);
  expect(delaysOf(policyOf([true], []))).toEqual([]);
});

test('writes are asked once', () => {
  const policy = policyOf([true, true], ['dc2']);
  expect(delaysOf(policy, 'INSERT INTO t (k, v) VALUES (?, ?)')).toEqual([]);
  expect(delaysOf(policy, [{ query: SELECT }])).toEqual([]);
});

test('where all reads are slow only a small share of them is asked twice, and as many again after a quiet time', () => {
  const policy = policyOf([true, true], []);
  const twice = (reads: number): number =>
    Array.from({ length: reads }, () => delaysOf(policy).length).reduce((sum, each) => sum + each, 0);
  twice(100);
  const share = twice(10_000) / 10_000;
  expect(share).toBeGreaterThan(0.03);
  expect(share).toBeLessThan(0.06);
  // Quick ones: their plan is never asked for a further try.
  for (let read = 0; read < 1_000; read++) policy.newPlan('ks', SELECT).nextExecution({} as Host);
  expect(twice(16)).toBe(16);
});
