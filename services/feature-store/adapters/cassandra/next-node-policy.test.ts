import { policies, types } from 'cassandra-driver';
import { expect, test } from 'vitest';
import { NextNodePolicy } from './next-node-policy.ts';

/** Missing in the driver’s types. */
const { retry, rethrow } = (
  policies.retry.RetryPolicy as unknown as { retryDecision: { retry: number; rethrow: number } }
).retryDecision;

test('a statement that a node cannot have enough replicas for is asked of the next one, as it is, six times at the most', () => {
  const policy = new NextNodePolicy();
  const decisions = Array.from({ length: 7 }, (_, nbRetry) =>
    policy.onUnavailable(
      { query: 'q', executionOptions: {} as never, nbRetry },
      types.consistencies.localQuorum,
      2,
      false,
    ),
  );
  expect(decisions.map(({ decision }) => decision)).toEqual([...Array(5).fill(retry), rethrow, rethrow]);
  // Another node, and the consistency that was asked for: that of a conditional statement is told as its serial one.
  expect(decisions[4]).toMatchObject({ useCurrentHost: false, consistency: undefined });
});
