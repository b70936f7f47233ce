import { ProblemError, problem } from '@featuremesh/domain/problem';
import {
  type Client,
  type ExecutionOptions,
  type Host,
  type HostMap,
  policies,
  types,
} from 'cassandra-driver';

type Plan = (error: Error, hosts: Iterator<Host>) => void;

/** The driver's callbacks say that all went well by null, though their types do not. */
const NO_ERROR = null as unknown as Error;

/**
 * The replicas of the key in the local data centre first, then its other nodes, then, where configured, the nodes of the region's
 * other data centres in the order given. Nodes of any other data centre are never connected to. What was grouped by its first replica,
 * and says so by naming its routing key, goes to that one first: only that one surely holds all of it.
 */
export class RegionRoutingPolicy extends policies.loadBalancing.LoadBalancingPolicy {
  readonly #local: policies.loadBalancing.LoadBalancingPolicy;
  readonly #localDataCentre: string;
  readonly #fallbacks: readonly string[];
  #client: Client | undefined;
  #hosts: HostMap | undefined;

  constructor(localDataCentre: string, fallbacks: readonly string[]) {
    super();
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
        callback(NO_ERROR, this.#fallbacks.length === 0 ? plan : this.#withFallback(plan));
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

  *#withFallback(local: Iterator<Host>): IterableIterator<Host> {
    for (let next = local.next(); next.done !== true; next = local.next()) yield next.value;
    for (const name of this.#fallbacks) {
      const others: Host[] = [];
      this.#hosts?.forEach(host => {
        if (host.datacenter === name) others.push(host);
      });
      yield* others;
    }
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
