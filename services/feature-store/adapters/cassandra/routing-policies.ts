import {
  type Client,
  type ExecutionOptions,
  type Host,
  type HostMap,
  policies,
  types,
} from 'cassandra-driver';
import { SPECULATION_DELAY_MS } from './cassandra-options.ts';

type Plan = (error: Error, hosts: Iterator<Host>) => void;

/** The driver's callbacks say that all went well by null, though their types do not. */
const NO_ERROR = null as unknown as Error;

/**
 * The replicas of the key in the local data centre first, then its other nodes, then, where configured, the nodes of the region's
 * other data centres in the order given. Nodes of any other data centre are never connected to.
 */
export class RegionRoutingPolicy extends policies.loadBalancing.LoadBalancingPolicy {
  readonly #local: policies.loadBalancing.LoadBalancingPolicy;
  readonly #localDataCentre: string;
  readonly #fallbacks: readonly string[];
  #hosts: HostMap | undefined;

  constructor(localDataCentre: string, fallbacks: readonly string[]) {
    super();
    this.#local = new policies.loadBalancing.TokenAwarePolicy(
      new policies.loadBalancing.DCAwareRoundRobinPolicy(localDataCentre),
    );
    this.#localDataCentre = localDataCentre;
    this.#fallbacks = fallbacks;
  }

  override init(client: Client, hosts: HostMap, callback: (error: Error) => void): void {
    this.#hosts = hosts;
    this.#local.init(client, hosts, callback);
  }

  override getDistance(host: Host): types.distance {
    if (host.datacenter === this.#localDataCentre) return types.distance.local;
    return this.#fallbacks.includes(host.datacenter) ? types.distance.remote : types.distance.ignored;
  }

  override newQueryPlan(keyspace: string, options: ExecutionOptions, callback: Plan): void {
    this.#local.newQueryPlan(keyspace, options, (error, local) => {
      if (error || this.#fallbacks.length === 0) callback(error, local);
      else callback(NO_ERROR, this.#withFallback(local));
    });
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

type SpeculationPlan = ReturnType<
  policies.speculativeExecution.ConstantSpeculativeExecutionPolicy['newPlan']
>;

const NO_FURTHER = { nextExecution: () => -1 };

/** A second try of a slow read on another node. Never of a write: under load it would add work where there is too much already. */
export class SpeculateReads extends policies.speculativeExecution.ConstantSpeculativeExecutionPolicy {
  constructor() {
    super(SPECULATION_DELAY_MS, 1);
  }

  override newPlan(keyspace: string, query: string | object[]): SpeculationPlan {
    if (typeof query !== 'string' || !query.startsWith('SELECT')) return NO_FURTHER;
    return super.newPlan(keyspace, query);
  }
}
