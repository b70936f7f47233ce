import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import {
  type Client,
  type ExecutionOptions,
  type Host,
  type HostMap,
  policies,
  types,
} from 'cassandra-driver';

type Plan = (error: Error, hosts: Iterator<Host>) => void;

/** So long a node counts as one that has just returned: it is warm by then, and what others kept for it is being handed on. */
const RETURNING_MS = 15_000;

/** The driver's callbacks say that all went well by null, though their types do not. */
const NO_ERROR = null as unknown as Error;

/**
 * The replicas of the key in the local data centre first, then its other nodes, then, where configured, the nodes of the region's
 * other data centres in the order given. Nodes of any other data centre are never connected to. What was grouped by its first replica,
 * and says so by naming its routing key, goes to that one first: only that one surely holds all of it.
 *
 * A node that has just returned comes behind those that were there, and where no local one was, behind the fallbacks, which served until
 * now: it answers slowly at first, lacks what it missed, and may not know yet who else is there.
 */
export class RegionRoutingPolicy extends policies.loadBalancing.LoadBalancingPolicy {
  readonly #local: policies.loadBalancing.LoadBalancingPolicy;
  readonly #localDataCentre: string;
  readonly #fallbacks: readonly string[];
  readonly #clock: MonotonicClock;
  /** When nodes returned, by address; the latest only. */
  readonly #returnedMs = new Map<string, number>();
  #client: Client | undefined;
  #hosts: HostMap | undefined;

  constructor(localDataCentre: string, fallbacks: readonly string[], clock: MonotonicClock) {
    super();
    this.#clock = clock;
    this.#local = new policies.loadBalancing.TokenAwarePolicy(
      new policies.loadBalancing.DCAwareRoundRobinPolicy(localDataCentre),
    );
    this.#localDataCentre = localDataCentre;
    this.#fallbacks = fallbacks;
  }

  /** Refuses a cluster that lacks one of the data centres named, before the driver does so in its own words. */
  override init(client: Client, hosts: HostMap, callback: (error: Error) => void): void {
    this.#client = client;
    this.#hosts = hosts;
    client.on('hostUp', (host: Host) => this.#returnedMs.set(host.address, this.#clock.monotonicMs()));
    const unknown = this.#unknownDataCentres(hosts);
    if (unknown === undefined) this.#local.init(client, hosts, callback);
    else callback(unknown);
  }

  #unknownDataCentres(hosts: HostMap): ProblemError | undefined {
    const known = dataCentresOf(hosts);
    const unknown = [this.#localDataCentre, ...this.#fallbacks].filter(name => !known.has(name));
    if (known.size === 0 || unknown.length === 0) return undefined;
    const names = [...known.keys()].toSorted().join(', ');
    return new ProblemError(
      problem('STORE_UNAVAILABLE', `Cassandra has no data centre ${unknown.join(', ')}; it has ${names}`),
    );
  }

  override getDistance(host: Host): types.distance {
    if (host.datacenter === this.#localDataCentre) return types.distance.local;
    return this.#fallbacks.includes(host.datacenter) ? types.distance.remote : types.distance.ignored;
  }

  override newQueryPlan(keyspace: string, options: ExecutionOptions | null, callback: Plan): void {
    // The driver asks without options where it prepares a statement, whatever its types say.
    this.#local.newQueryPlan(keyspace, options as ExecutionOptions, (error, local) => {
      if (error) callback(error, local);
      else {
        const named = options === null ? undefined : this.#namedReplica(keyspace, options);
        const plan = named === undefined ? local : startingWith(named, local);
        callback(NO_ERROR, this.#ordered(plan));
      }
    });
  }

  #namedReplica(keyspace: string, options: ExecutionOptions): Host | undefined {
    const { routingKey } = options.getRawQueryOptions();
    if (!(routingKey instanceof Buffer)) return undefined;
    const replicas = this.#client?.getReplicas(options.getKeyspace() ?? keyspace, routingKey) ?? [];
    return replicas.find(({ datacenter }) => datacenter === this.#localDataCentre);
  }

  override getOptions(): Map<string, object> {
    return new Map<string, object>([
      ['localDataCenter', Object(this.#localDataCentre)],
      ['fallbackDataCenters', [...this.#fallbacks]],
    ]);
  }

  #ordered(local: Iterator<Host>): Iterator<Host> {
    this.#forgetReturns();
    if (this.#returnedMs.size > 0) return this.#returnedLast(local);
    return this.#fallbacks.length === 0 ? local : this.#withFallback(local);
  }

  *#withFallback(local: Iterator<Host>): IterableIterator<Host> {
    for (let next = local.next(); next.done !== true; next = local.next()) yield next.value;
    yield* this.#fallbackNodes();
  }

  *#returnedLast(local: Iterator<Host>): IterableIterator<Host> {
    const returned: Host[] = [];
    let wasThere = false;
    for (let next = local.next(); next.done !== true; next = local.next()) {
      const isBack = this.#returnedMs.has(next.value.address);
      if (isBack || !next.value.isUp()) returned.push(next.value);
      else {
        wasThere = true;
        yield next.value;
      }
    }
    const others = this.#fallbackNodes();
    yield* wasThere ? [...returned, ...others] : [...others, ...returned];
  }

  #fallbackNodes(): readonly Host[] {
    const nodes: Host[] = [];
    for (const name of this.#fallbacks)
      this.#hosts?.forEach(host => {
        if (host.datacenter === name) nodes.push(host);
      });
    return nodes;
  }

  #forgetReturns(): void {
    if (this.#returnedMs.size === 0) return;
    const longAgoMs = this.#clock.monotonicMs() - RETURNING_MS;
    for (const [address, returnedMs] of this.#returnedMs)
      if (returnedMs < longAgoMs) this.#returnedMs.delete(address);
  }
}

function* startingWith(first: Host, others: Iterator<Host>): IterableIterator<Host> {
  yield first;
  for (let next = others.next(); next.done !== true; next = others.next())
    if (next.value !== first) yield next.value;
}

/** Data centres of a cluster, with the number of nodes known in each. */
export function dataCentresOf(hosts: HostMap): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  hosts.forEach(({ datacenter }) => {
    if (datacenter) counts.set(datacenter, (counts.get(datacenter) ?? 0) + 1);
  });
  return counts;
}
