import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Client, Host } from 'cassandra-driver';
import type { CopyStates } from '../../ports/store-copies.ts';

/** Said while nothing is connected: every node may be away. */
export const NOT_CONNECTED: CopyStates = {
  away: ['the whole cluster'],
  departures: 0,
  wholeSinceMs: undefined,
};

/** The driver's events, as far as they are looked at. */
export type WatchedClient = Pick<Client, 'on'> & {
  readonly hosts: { values(): readonly Pick<Host, 'address' | 'datacenter' | 'isUp'>[] };
};

/**
 * Which nodes of the cluster are away, of all data centres: of those that this process may connect to by their connections, of the others by
 * what the cluster tells.
 */
export class NodeWatch {
  readonly #client: WatchedClient;
  readonly #clock: MonotonicClock;
  #departures = 0;
  #changedMs: number;

  constructor(client: WatchedClient, clock: MonotonicClock) {
    this.#client = client;
    this.#clock = clock;
    this.#changedMs = clock.monotonicMs();
    const changed = (departed: 0 | 1) => () => {
      this.#departures += departed;
      this.#changedMs = clock.monotonicMs();
    };
    client.on('hostDown', changed(1));
    client.on('hostUp', changed(0));
    client.on('hostRemove', changed(0));
  }

  /** As StoreCopies.copies. */
  states(): CopyStates {
    const away = this.#client.hosts
      .values()
      .filter(host => !host.isUp())
      .map(({ address, datacenter }) => `${address} of ${datacenter}`)
      .toSorted();
    // A node that was away before there were events, or that joins, counts from the moment when it is seen.
    if (away.length > 0) this.#changedMs = this.#clock.monotonicMs();
    return {
      away,
      departures: this.#departures,
      wholeSinceMs: away.length > 0 ? undefined : this.#changedMs,
    };
  }
}
