import type { Client, Host } from 'cassandra-driver';
import type { CopyStates } from '../../ports/store-copies.ts';

/** Said while nothing is connected: every node may be away. */
export const NOT_CONNECTED: CopyStates = { away: ['the whole cluster'], departures: 0 };

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
  #departures = 0;

  constructor(client: WatchedClient) {
    this.#client = client;
    client.on('hostDown', () => {
      this.#departures += 1;
    });
  }

  /** As StoreCopies.copies. */
  states(): CopyStates {
    const away = this.#client.hosts
      .values()
      .filter(host => !host.isUp())
      .map(({ address, datacenter }) => `${address} of ${datacenter}`);
    return { away: away.toSorted(), departures: this.#departures };
  }
}
