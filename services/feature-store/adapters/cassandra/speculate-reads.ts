import { type Client, type Host, policies } from 'cassandra-driver';
import { FALLBACK_SPECULATION_DELAY_MS, SPECULATION_DELAY_MS } from './cassandra-options.ts';

type Plan = ReturnType<policies.speculativeExecution.ConstantSpeculativeExecutionPolicy['newPlan']>;

/** Share of reads that may be asked twice, and how many at once after a quiet time. */
const SHARE = 0.05;
const MAX_AT_ONCE = 16;

const NOT_AGAIN = -1;
const NO_FURTHER: Plan = { nextExecution: () => NOT_AGAIN };

/**
 * A second try of a slow read on another node: soon on one of the local data centre, of a bounded share of reads; much later on a fallback,
 * for a local node that stands still. Under load reads are slow because there is too much work, and each second try would add to it: every
 * read asked twice, of a data centre that serves nobody otherwise, cost five times as much (measured). Never of a write.
 */
export class SpeculateReads extends policies.speculativeExecution.ConstantSpeculativeExecutionPolicy {
  readonly #localDataCentre: string;
  readonly #hasFallback: boolean;
  #client: Client | undefined;
  #allowance = MAX_AT_ONCE;

  constructor(localDataCentre: string, fallbacks: readonly string[]) {
    super(SPECULATION_DELAY_MS, 1);
    this.#localDataCentre = localDataCentre;
    this.#hasFallback = fallbacks.length > 0;
  }

  override init(client: Client): void {
    this.#client = client;
  }

  override newPlan(_keyspace: string, query: string | object[]): Plan {
    if (typeof query !== 'string' || !query.startsWith('SELECT')) return NO_FURTHER;
    this.#allowance = Math.min(MAX_AT_ONCE, this.#allowance + SHARE);
    let [tries, isNear] = [0, false];
    return {
      nextExecution: () => {
        tries += 1;
        if (tries === 1) {
          isNear = this.#allowance >= 1 && this.#localNodesUp() > 1;
          if (isNear) return SPECULATION_DELAY_MS;
          return this.#hasFallback ? FALLBACK_SPECULATION_DELAY_MS : NOT_AGAIN;
        }
        // Only here is it known that the time had come.
        if (tries === 2 && isNear) this.#allowance -= 1;
        return NOT_AGAIN;
      },
    };
  }

  #localNodesUp(): number {
    let count = 0;
    this.#client?.hosts.forEach((host: Host) => {
      if (host.datacenter === this.#localDataCentre && host.isUp()) count += 1;
    });
    return count;
  }
}
