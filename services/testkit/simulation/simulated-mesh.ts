import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { RegionInfo } from '@featuremesh/domain/mesh-state';
import { Publisher } from '@featuremesh/feature-store/registry/publisher';
import type { SeededRandom } from '@featuremesh/runtime/random';
import { MemoryRegistry } from '../memory/memory-registry.ts';
import { type FaultRates, SimulatedFaults } from './faults.ts';
import { LinkStreams } from './link-streams.ts';
import type { Hooks, Observers, ProcessParts } from './process-parts.ts';
import { ProcessTime } from './process-time.ts';
import { emptyDisk, type RegionDisk } from './region-disk.ts';
import type { Scheduler } from './scheduler.ts';
import { ServiceProcess } from './service-process.ts';
import { SyncProcess } from './sync-process.ts';

/** What a mesh is made of. */
export interface MeshOptions {
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly rates: FaultRates;
  readonly regions: readonly RegionInfo[];
  /** Service processes of each region. */
  readonly services: number;
  readonly hooks?: Hooks;
  readonly observers?: Observers;
}

/** One simulated region: what it keeps on disk and the processes that run now. */
export interface SimulatedRegion {
  readonly disk: RegionDisk;
  /** By slot; undefined while it is down. */
  readonly services: (ServiceProcess | undefined)[];
  sync: SyncProcess | undefined;
}

/** N regions in one process on one virtual clock: disks that last, processes that can be killed and started again, links that can be cut. */
export class SimulatedMesh {
  readonly regions = new Map<string, SimulatedRegion>();
  readonly #options: MeshOptions;
  #incarnations = 0;

  constructor(options: MeshOptions) {
    this.#options = options;
    const { random, rates, scheduler, regions } = options;
    for (const info of regions) {
      const faults = new SimulatedFaults(random.stream(`faults ${info.id}`), rates);
      const disk = emptyDisk(info, faults, random.base32(16));
      const skew = random.stream(`skew ${info.id}`);
      disk.skewMs = rates.skewMs === 0 ? 0 : skew.int(2 * rates.skewMs) - rates.skewMs;
      this.regions.set(info.id, {
        disk,
        services: Array.from({ length: options.services }, () => undefined),
        sync: undefined,
      });
    }
    for (const { disk } of this.regions.values()) {
      for (const peer of this.regions.keys()) {
        if (peer === disk.id) continue;
        const faults = new SimulatedFaults(random.stream(`link ${disk.id} ${peer}`), rates);
        const parts = { from: disk.id, to: peer, linkEpoch: random.base32(16), scheduler, faults };
        disk.links.set(peer, new LinkStreams({ ...parts, broker: disk.broker }));
      }
    }
  }

  region(id: string): SimulatedRegion {
    const region = this.regions.get(id);
    if (region === undefined) throw new TypeError(`no region ${id}`);
    return region;
  }

  /** All directed links. */
  links(): readonly LinkStreams[] {
    return [...this.regions.values()].flatMap(({ disk }) => [...disk.links.values()]);
  }

  /** Writes entries into a region's registry, as an operator at home or a peer over CTL does. */
  tell(id: string, entries: readonly CatalogueEntry[]): Promise<void> {
    return this.#withRegistry(id, async registry => {
      await registry.commit({ entries, actor: 'simulator', what: 'as the run wants it' });
    });
  }

  /** What a region publishes to another, as its service says. */
  publication(from: string, to: string): Promise<readonly CatalogueEntry[]> {
    return this.#withRegistry(from, (registry, clock) =>
      new Publisher({ registry, clock }).entriesFor(to, 0),
    );
  }

  async #withRegistry<T>(
    id: string,
    use: (registry: MemoryRegistry, clock: ProcessTime) => Promise<T>,
  ): Promise<T> {
    const { disk } = this.region(id);
    const clock = new ProcessTime(this.#options.scheduler, () => disk.skewMs);
    const roster = { self: disk.info, peers: this.#peersOf(id) };
    const registry = new MemoryRegistry({ roster, clock, disk: disk.registry });
    const result = await use(registry, clock);
    await registry.close();
    return result;
  }

  startService(id: string, slot: number): void {
    const region = this.region(id);
    if (region.services[slot] !== undefined) return;
    const service = new ServiceProcess(this.#parts(region), slot);
    region.services[slot] = service;
    void service.start().catch(() => this.killService(id, slot));
  }

  killService(id: string, slot: number): void {
    const region = this.region(id);
    region.services[slot]?.kill();
    region.services[slot] = undefined;
  }

  startSync(id: string): void {
    const region = this.region(id);
    if (region.sync !== undefined) return;
    region.sync = new SyncProcess(this.#parts(region), {
      live: () => this.liveService(id),
      incoming: peer => this.link(peer, id),
    });
    region.sync.start();
  }

  killSync(id: string): void {
    const region = this.region(id);
    region.sync?.kill();
    region.sync = undefined;
  }

  /** A service process of the region that takes requests. */
  liveService(id: string, preferred = 0): ServiceProcess | undefined {
    const { services } = this.region(id);
    const wanted = services[preferred];
    return wanted?.ready === true ? wanted : services.find(service => service?.ready === true);
  }

  link(from: string, to: string): LinkStreams {
    const link = this.region(from).disk.links.get(to);
    if (link === undefined) throw new TypeError(`no link from ${from} to ${to}`);
    return link;
  }

  /** Switches a region's broker; readers on the links learn of it. */
  setBroker(id: string, up: boolean): void {
    const { disk } = this.region(id);
    disk.broker.up = up;
    for (const link of disk.links.values()) link.wake();
  }

  /** From now on nothing is lost, and what was cut or down is there again. */
  calm(): void {
    for (const [id, { disk, services }] of this.regions) {
      disk.faults.calm();
      disk.storeServer.up = true;
      this.setBroker(id, true);
      for (const link of disk.links.values()) {
        link.faults.calm();
        link.connect(true);
      }
      for (let slot = 0; slot < services.length; slot++) this.startService(id, slot);
      this.startSync(id);
    }
  }

  /** Ends every process, so that nothing of the run stays behind. */
  stop(): void {
    for (const [id, { services }] of this.regions) {
      for (let slot = 0; slot < services.length; slot++) this.killService(id, slot);
      this.killSync(id);
    }
  }

  #parts({ disk }: SimulatedRegion): ProcessParts {
    const { scheduler, random, hooks = {}, observers = {} } = this.#options;
    return {
      scheduler,
      disk,
      peers: this.#peersOf(disk.id),
      random: random.stream(`process ${this.#incarnations++}`),
      hooks,
      observers,
    };
  }

  #peersOf(id: string): readonly RegionInfo[] {
    return this.#options.regions.filter(info => info.id !== id);
  }
}
