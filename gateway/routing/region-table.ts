import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { RegionHealth } from '@featuremesh/domain/read-plan';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import { Deadlines } from '@featuremesh/runtime/deadlines';
import type { Timer } from '@featuremesh/runtime/timer';
import { RegionEndpoint } from './region-endpoint.ts';

/** Distance of a region whose latency is not known yet: behind every measured one on earth. */
const UNMEASURED_DISTANCE_MS = 1_000;

/** What a region table works with. */
export interface RegionTableOptions {
  readonly region: RegionId;
  /** Where the own region's service processes answer; the mesh state's public address of it may lead through a balancer. */
  readonly ownServiceUrls: readonly string[];
  /** Where peers' services are reached instead of at their public address, by region. */
  readonly peerServiceUrls: ReadonlyMap<string, string>;
  readonly clock: MonotonicClock;
  readonly timer: Timer;
}

/** The regions that this gateway can reach, by id; it owns their sockets and follows the mesh state. Only listed regions are ever contacted. */
export class RegionTable {
  readonly #options: RegionTableOptions;
  readonly #deadlines: Deadlines;
  readonly #endpoints = new Map<string, RegionEndpoint>();

  constructor(options: RegionTableOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options);
  }

  /** Opens ways to regions that are new or moved, closes those to regions that left. True where any was opened. */
  follow(state: MeshState): boolean {
    let hasOpened = false;
    const { clock } = this.#options;
    const { region: own, ownServiceUrls, peerServiceUrls } = this.#options;
    const wanted = new Map(
      state.regions.map(({ id, publicUrl }) => [
        id as string,
        { id, urls: id === own ? ownServiceUrls : [peerServiceUrls.get(id) ?? publicUrl] },
      ]),
    );
    for (const [id, endpoint] of this.#endpoints) {
      if (wanted.get(id)?.urls.join(' ') === endpoint.urls.join(' ')) continue;
      this.#endpoints.delete(id);
      void endpoint.close();
    }
    for (const [id, { id: region, urls }] of wanted) {
      if (this.#endpoints.has(id)) continue;
      this.#endpoints.set(id, new RegionEndpoint(region, urls, { clock, deadlines: this.#deadlines }));
      hasOpened = true;
    }
    return hasOpened;
  }

  /** The way to a region; undefined where the mesh state does not list it. */
  endpoint(region: string): RegionEndpoint | undefined {
    return this.#endpoints.get(region);
  }

  /** All ways, in the order of the mesh state. */
  endpoints(): readonly RegionEndpoint[] {
    return [...this.#endpoints.values()];
  }

  /** What is known of a region's health; `down` for a region that is not listed. */
  readonly health = (region: RegionId): RegionHealth => this.#endpoints.get(region)?.health() ?? 'down';

  /** Smaller is nearer: the own region first, then by measured round trip in ms. */
  readonly distance = (region: RegionId): number => {
    if (region === this.#options.region) return 0;
    return 1 + (this.#endpoints.get(region)?.latencyMs() ?? UNMEASURED_DISTANCE_MS);
  };

  /** Probes every region once, in parallel. */
  async probe(): Promise<void> {
    await Promise.all(this.endpoints().map(endpoint => endpoint.probe()));
  }

  /** Closes all sockets. */
  async close(): Promise<void> {
    const open = this.endpoints();
    this.#endpoints.clear();
    await Promise.all(open.map(endpoint => endpoint.close()));
  }
}
