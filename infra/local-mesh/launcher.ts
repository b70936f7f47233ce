import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { findUsedPorts } from '@featuremesh/cli/region/port-check';
import { regionPorts } from '@featuremesh/cli/region/region-parts';
import type { RegionConfigInput } from '@featuremesh/contracts/region-config';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Clock, MonotonicClock } from '@featuremesh/runtime/clock';
import type { Random } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import { locateCassandra } from '../components/cassandra.ts';
import { locateJava } from '../components/java.ts';
import { locateNatsServer } from '../components/nats-server.ts';
import { locateSeaweedFs } from '../components/seaweedfs.ts';
import { downText, readsText } from './announce.ts';
import { bringDemoIntoForce } from './demo-definitions.ts';
import { DemoLoader } from './demo-loader.ts';
import { endMeshLeftovers, removeMeshData } from './fresh-start.ts';
import { meshFileOf, removeMeshFile, writeMeshFile } from './mesh-file.ts';
import { ensureOfficers } from './officers.ts';
import type { MeshOptions } from './options.ts';
import { type PreparedRegion, prepareRegions } from './prepare-regions.ts';
import { chooseProfile, existingProfile, type MeshProfile } from './profile.ts';
import type { ProgressView } from './progress-view.ts';
import { DEMO_REGION_COUNT, LOCAL_REGIONS, type LocalRegion } from './region-names.ts';
import { RegionProcess } from './region-process.ts';
import { measureReplicaReads } from './replica-reads.ts';
import {
  chooseDataCentres,
  lastStorePlans,
  neededMemoryMb,
  planStores,
  type RegionStorePlan,
  storePorts,
  storeSection,
} from './store-plan.ts';
import { StoresProcess } from './stores-process.ts';
import { wanConfigOf } from './wan-plan.ts';
import { WanProcess, wanPorts } from './wan-process.ts';

/** The mesh's addresses for the loader, which starts before mesh.json may be written. */
const LOADER_MESH_FILE = join('run', 'loader-mesh.json');

/** What the launcher rests on. */
export interface LauncherTools {
  readonly clock: Clock & MonotonicClock;
  readonly timer: Timer;
  readonly random: Random;
  readonly view: ProgressView;
}

/** A mesh on this machine: writes the files of its regions, runs them, loads the demo, and stops all of it in order. */
export class Launcher {
  readonly #options: MeshOptions;
  readonly #tools: LauncherTools;
  readonly #stopping = new AbortController();
  #processes: readonly RegionProcess[] = [];
  #loader: DemoLoader | undefined;
  #wan: WanProcess | undefined;
  #stores: StoresProcess | undefined;
  #profile: MeshProfile = 'embedded';
  #startedAt = '';
  #announced = false;
  /** Whether the demo's rows are still being loaded. */
  #loading = true;

  constructor(options: MeshOptions, tools: LauncherTools) {
    this.#options = options;
    this.#tools = tools;
  }

  /** Brings everything up and writes mesh.json. Throws a ProblemError that names what stands in the way. */
  async start(): Promise<void> {
    const { clock, view } = this.#tools;
    const { dataDir } = this.#options;
    this.#startedAt = new Date(clock.nowMs()).toISOString();
    removeMeshFile(dataDir);
    await locateNatsServer(text => view.line(text));
    const ended = await endMeshLeftovers(dataDir, this.#tools.timer);
    if (ended > 0) view.line(`Ended ${ended} processes that an earlier start left behind`);
    if (this.#options.fresh) await removeMeshData(dataDir);
    this.#profile = chooseProfile(this.#options.profile, existingProfile(dataDir), dataDir);
    const stores = this.#profile === 'full' ? await this.#storePlanner() : undefined;
    const people = await ensureOfficers(join(dataDir, 'officers'));
    const regions = await prepareRegions({
      dataDir,
      regions: this.#localRegions,
      portBase: this.#options.portBase,
      officers: people.officers,
      wan: this.#options.wan,
      ...(stores === undefined ? {} : { storeOf: (id, portBase) => sectionOf(stores(portBase), id) }),
      tools: this.#tools,
    });
    const plans = stores?.(regions[0]?.config.listen.http.port ?? 0) ?? [];
    await this.#refuseUsedPorts(regions, plans);
    await this.#startStores(plans);
    await Promise.all([this.#startWan(regions), this.#startRegions(regions)]);
    if (this.#demo) {
      const inForce = await bringDemoIntoForce({ dataDir, regions, people, clock, timer: this.#tools.timer });
      view.line(
        `In force everywhere: ${inForce.groups} feature groups, ${inForce.policies} policies (signed by owner, officer-1, officer-2)`,
      );
      await this.#load();
    }
    this.#refuseWhenStopping();
    this.#announced = true;
    await this.#writeMeshFile();
  }

  /** The body of mesh.json as it stands now. */
  meshFile(): ReturnType<typeof meshFileOf> {
    const regions = this.#processes.map(one => ({
      config: one.region.config,
      pids: { ...this.#stores?.pidsOf(one.region.id), ...one.pids },
    }));
    return meshFileOf(regions, this.#startedAt, { profile: this.#profile, wan: this.#wan });
  }

  /** One row read from Europe's replica and from its home region, in words; undefined without the demo. */
  async measuredReads(): Promise<string | undefined> {
    const isLoading = this.#loading;
    const reader = this.meshFile().regions[DEMO_REGION_COUNT - 1];
    if (!this.#demo || reader === undefined) return undefined;
    const reads = await measureReplicaReads(reader, this.#tools.clock);
    return reads === undefined ? undefined : readsText(reads, isLoading);
  }

  /** Loader first, then all regions at once, each in its own order, then their stores and the network between them. mesh.json goes before anything stops. True where something ran. */
  async stop(): Promise<boolean> {
    this.#stopping.abort();
    this.#announced = false;
    removeMeshFile(this.#options.dataDir);
    this.#tools.view.close();
    await this.#loader?.stop();
    await Promise.all(this.#processes.map(one => one.stop()));
    await Promise.all([this.#wan?.stop(), this.#stores?.stop()]);
    removeMeshFile(this.#options.dataDir, LOADER_MESH_FILE);
    return this.#processes.length > 0 || this.#stores !== undefined;
  }

  get #demo(): boolean {
    return this.#options.demo && this.#options.regions >= DEMO_REGION_COUNT;
  }

  async #startRegions(regions: readonly PreparedRegion[]): Promise<void> {
    const { timer, view } = this.#tools;
    this.#refuseWhenStopping();
    view.line(`Starting ${regions.map(region => region.id).join(', ')}`);
    this.#processes = regions.map(
      region =>
        new RegionProcess(region, timer, {
          onChange: () => void this.#writeMeshFile(),
          onNote: text => view.line(`  ${region.id}: ${text}`),
          onDown: how => view.line(downText(region, how, process.cwd())),
        }),
    );
    await Promise.all(this.#processes.map(one => one.start()));
  }

  get #localRegions(): readonly LocalRegion[] {
    return LOCAL_REGIONS.slice(0, this.#options.regions);
  }

  /** Obtains what the stores need and judges memory, before anything starts; ports are known once the regions are prepared. */
  async #storePlanner(): Promise<(portBase: number) => readonly RegionStorePlan[]> {
    const { view } = this.#tools;
    const { dataDir } = this.#options;
    const say = (text: string): void => view.line(text);
    await locateJava();
    await locateCassandra(say);
    await locateSeaweedFs(say);
    const regions = this.#localRegions.map(({ id }) => id);
    const availableMb = Math.floor(process.availableMemory() / (1024 * 1024));
    const existing = lastStorePlans(dataDir)?.[0]?.cassandra.dataCentres.length === 1 ? 1 : 2;
    const dataCentres = chooseDataCentres({
      regions: regions.length,
      availableMb,
      existing: lastStorePlans(dataDir) === undefined ? undefined : existing,
    });
    view.line(
      `Profile full: a Cassandra cluster of ${dataCentres === 1 ? 'one data centre (memory is short for two)' : 'two data centres'} and a SeaweedFS per region; ` +
        `about ${neededMemoryMb(regions.length, dataCentres)} of ${availableMb} MB of memory`,
    );
    return portBase => planStores({ dataDir, regions, portBase, dataCentres, cores: availableParallelism() });
  }

  async #startStores(plans: readonly RegionStorePlan[]): Promise<void> {
    if (plans.length === 0) return;
    const { clock, timer, view } = this.#tools;
    this.#refuseWhenStopping();
    view.line('Starting the stores');
    this.#stores = new StoresProcess({
      plans,
      dataDir: this.#options.dataDir,
      clock,
      timer,
      tell: text => view.line(`  ${text}`),
      onChange: () => void this.#writeMeshFile(),
    });
    await this.#stores.start();
  }

  async #startWan(regions: readonly PreparedRegion[]): Promise<void> {
    const { clock, timer, view } = this.#tools;
    const { dataDir, wan } = this.#options;
    const config = wanConfigOf(regions.map(region => region.config));
    if (wan === 'off' || config.paths.length === 0) return;
    this.#wan = new WanProcess({
      config,
      dataDir,
      clock,
      timer,
      tell: text => view.line(`  ${text}`),
      onChange: () => void this.#writeMeshFile(),
    });
    await this.#wan.start();
  }

  async #load(): Promise<void> {
    const { timer, view } = this.#tools;
    const { dataDir, demoRows } = this.#options;
    this.#refuseWhenStopping();
    const meshFile = await writeMeshFile(dataDir, this.meshFile(), LOADER_MESH_FILE);
    this.#loader = new DemoLoader(
      { meshFile, rows: demoRows, dataDir, timer },
      {
        onEvent: event => {
          view.loader(event);
          if (event.event === 'loaded' || event.event === 'streaming') this.#loading = false;
          if (event.event === 'loaded' && this.#announced) void this.#tellReads();
        },
        onEnd: how => {
          if (!this.#stopping.signal.aborted)
            view.line(`The demo loader ended (${how}); its log: ${join(dataDir, 'demo', 'loader.log')}`);
        },
      },
    );
    await this.#loader.startUntilReady();
  }

  /** The figures told while the demo was loading are not those of a mesh at rest. */
  async #tellReads(): Promise<void> {
    const text = await this.measuredReads();
    if (text !== undefined && !this.#stopping.signal.aborted) this.#tools.view.line(text);
  }

  /** Process ids change when a part is restarted; the file follows as long as the mesh is announced. */
  async #writeMeshFile(): Promise<void> {
    if (this.#announced) await writeMeshFile(this.#options.dataDir, this.meshFile());
    if (!this.#announced && this.#stopping.signal.aborted) removeMeshFile(this.#options.dataDir);
  }

  async #refuseUsedPorts(
    regions: readonly PreparedRegion[],
    stores: readonly RegionStorePlan[],
  ): Promise<void> {
    const wan = this.#options.wan === 'off' ? [] : wanPorts(wanConfigOf(regions.map(one => one.config)));
    const used = await findUsedPorts([
      ...regions.flatMap(region => regionPorts(region.config)),
      ...wan,
      ...storePorts(stores),
    ]);
    if (used.length === 0) return;
    const lines = used.map(
      one => `${one.port} (${one.purpose})${one.holder === undefined ? '' : `, held by ${one.holder}`}`,
    );
    throw new ProblemError(
      problem(
        'PORT_IN_USE',
        `these ports are in use: ${lines.join('; ')}. Move the mesh: npm start -- --port-base 8400`,
      ),
    );
  }

  #refuseWhenStopping(): void {
    if (this.#stopping.signal.aborted)
      throw new ProblemError(problem('SHUTTING_DOWN', 'the start was interrupted'));
  }
}

function sectionOf(plans: readonly RegionStorePlan[], id: string): RegionConfigInput['store'] {
  const plan = plans.find(one => one.region === id);
  return plan === undefined ? undefined : storeSection(plan);
}
