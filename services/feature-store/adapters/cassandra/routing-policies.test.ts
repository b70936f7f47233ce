import { EventEmitter } from 'node:events';
import type { Client, ExecutionOptions, Host, HostMap } from 'cassandra-driver';
import { expect, test } from 'vitest';
import { RegionRoutingPolicy } from './routing-policies.ts';

const down = new Set<string>();
const nodes = ['a', 'b', 'c', 'd'].map(address => ({
  address,
  datacenter: 'dc1',
  isUp: () => !down.has(address),
}));
const others = ['x', 'y'].map(address => ({ address, datacenter: 'dc2', isUp: () => true }));
const hosts = Object.assign(new EventEmitter(), {
  length: 6,
  values: () => [...nodes, ...others],
  forEach: (each: (host: object) => void) => [...nodes, ...others].forEach(each),
}) as unknown as HostMap;
/** Of the key `at` the replicas are x of the other data centre and two nodes, from the one numbered `at` on. */
const client = Object.assign(new EventEmitter(), {
  getReplicas: (_keyspace: string, [at = 0]: Buffer) => [others[0], nodes[at], nodes[(at + 1) % 4]],
}) as unknown as Client & EventEmitter;
let nowMs = 0;

async function planOf(
  fallbacks: readonly string[],
  options: { own?: Buffer; routingKey?: Buffer } | null,
): Promise<string> {
  return planBy(policyOf(fallbacks), options);
}

function policyOf(fallbacks: readonly string[]): RegionRoutingPolicy {
  const policy = new RegionRoutingPolicy('dc1', fallbacks, { monotonicMs: () => nowMs });
  policy.init(client, hosts, () => undefined);
  return policy;
}

async function planBy(
  policy: RegionRoutingPolicy,
  options: { own?: Buffer; routingKey?: Buffer } | null,
): Promise<string> {
  const execution = {
    getKeyspace: () => 'ks',
    getRoutingKey: () => options?.routingKey ?? options?.own,
    getRawQueryOptions: () => ({ ...(options?.routingKey && { routingKey: options.routingKey }) }),
  } as unknown as ExecutionOptions;
  const plan = await new Promise<Iterator<Host>>((resolve, reject) =>
    policy.newQueryPlan('ks', options === null ? null : execution, (error, found) =>
      error ? reject(error) : resolve(found),
    ),
  );
  let text = '';
  for (let next = plan.next(); next.done !== true; next = plan.next()) text += next.value.address;
  return text;
}

test('a statement that names its routing key goes to the first replica, then to every other node once', async () => {
  for (const at of [0, 1, 2, 3]) {
    for (let again = 0; again < 8; again++) {
      const plan = await planOf([], { routingKey: Buffer.from([at]) });
      expect(plan[0]).toBe('abcd'[at]);
      expect([...plan].toSorted().join('')).toBe('abcd');
    }
  }
});

test('one of a single key goes to either of its replicas, and one that is prepared to any node', async () => {
  const first = new Set<string>();
  for (let again = 0; again < 64; again++) first.add((await planOf([], { own: Buffer.from([1]) }))[0] ?? '');
  expect([...first].toSorted()).toEqual(['b', 'c']);
  expect([...(await planOf([], null))].toSorted().join('')).toBe('abcd');
});

test('a node that has just returned comes last of its data centre; where all have, the fallbacks that served until now come first', async () => {
  const policy = policyOf(['dc2']);
  const plan = (): Promise<string> => planBy(policy, { routingKey: Buffer.from([1]) });
  const returns = (address: string): void => void client.emit('hostUp', { address });
  expect(await plan()).toMatch(/^b[acd]{3}xy$/);
  returns('b');
  expect(await plan()).toMatch(/^[acd]{3}bxy$/);
  for (const address of ['a', 'c']) returns(address);
  expect(await plan()).toMatch(/^d[abc]{3}xy$/);
  // The last one that was there goes: what is down is no reason to ask those that have just returned.
  down.add('d');
  expect(await plan()).toMatch(/^xy[abcd]{4}$/);
  nowMs += 10_000;
  down.clear();
  returns('d');
  expect(await plan()).toMatch(/^xy[abcd]{4}$/);
  nowMs += 10_000;
  expect(await plan()).toMatch(/^b[ac]{2}dxy$/);
  nowMs += 10_000;
  expect(await plan()).toMatch(/^b[acd]{3}xy$/);
});
