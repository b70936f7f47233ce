import { EventEmitter } from 'node:events';
import { Client, type ExecutionOptions, type Host, type HostMap } from 'cassandra-driver';
import { expect, test } from 'vitest';
import { type CallClass, classesOf, LOCAL_ONLY } from './call-classes.ts';
import type { SerialConsistency } from './cassandra-options.ts';
import { RegionRoutingPolicy } from './routing-policies.ts';

/** Two nodes in each of three data centres. */
const hosts = ['dc1', 'dc2', 'dc3'].flatMap(datacenter =>
  [1, 2].map(node => ({ datacenter, address: `${datacenter}-${node}` }) as Host),
);
const cluster = Object.assign(new EventEmitter(), {
  values: () => hosts,
  forEach: (each: (host: Host, key: string) => void) => {
    for (const host of hosts) each(host, host.address);
  },
}) as unknown as HostMap;

const client = new Client({ contactPoints: ['192.0.2.1'] });

function policy(fallbacks: readonly string[]): RegionRoutingPolicy {
  const routing = new RegionRoutingPolicy('dc1', fallbacks, { monotonicMs: () => 0 });
  routing.init(client, cluster, error => expect(error).toBeUndefined());
  return routing;
}

/** Data centres whose nodes a statement may be sent to, in order. */
function asked(routing: RegionRoutingPolicy): readonly string[] {
  let order: readonly string[] = [];
  routing.newQueryPlan(
    'k',
    {
      getRoutingKey: () => undefined,
      getKeyspace: () => undefined,
      getRawQueryOptions: () => ({}),
    } as unknown as ExecutionOptions,
    (_, plan) => {
      const planned: Host[] = [];
      for (let next = plan.next(); next.done !== true; next = plan.next()) planned.push(next.value);
      order = planned.map(({ datacenter }) => datacenter);
    },
  );
  return order;
}

/** As the client does it: its usual policy, or that of the profile which the class names. */
function dataCentresOf(as: CallClass, serial: SerialConsistency): readonly string[] {
  const { executionProfile } = classesOf({ write: 'LOCAL_QUORUM', read: 'LOCAL_ONE', serial })[as];
  return [...new Set(asked(policy(executionProfile === LOCAL_ONLY ? [] : ['dc3', 'dc2'])))];
}

test('a fallback answers after all local nodes, in the order configured; without one nothing leaves the local data centre', () => {
  expect(asked(policy(['dc3', 'dc2']))).toEqual(['dc1', 'dc1', 'dc3', 'dc3', 'dc2', 'dc2']);
  expect(asked(policy([]))).toEqual(['dc1', 'dc1']);
});

test('rows and records may be asked of a fallback, what must see the newest may not', () => {
  for (const as of ['read', 'write', 'record-read', 'claim', 'claim-read'] as const)
    expect(dataCentresOf(as, 'LOCAL_SERIAL'), as).toEqual(['dc1', 'dc3', 'dc2']);
  expect(dataCentresOf('settled-read', 'LOCAL_SERIAL')).toEqual(['dc1']);
});

test('leases that agree within one data centre are never asked of another, which would give them out as well', () => {
  for (const as of ['conditional', 'serial-read'] as const) {
    expect(dataCentresOf(as, 'LOCAL_SERIAL'), as).toEqual(['dc1']);
    expect(dataCentresOf(as, 'SERIAL'), as).toEqual(['dc1', 'dc3', 'dc2']);
  }
});
