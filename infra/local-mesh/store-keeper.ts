import { join } from 'node:path';
import { LogFile } from '@featuremesh/cli/region/log-file';
import { endLeftovers } from '@featuremesh/cli/region/pid-file';
import { SupervisedChild } from '@featuremesh/cli/region/supervised-child';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Random } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import { LocalCassandra } from '../cassandra/local-cassandra.ts';
import { seaweedFsChild } from './seaweedfs-child.ts';
import { objectsRunFolder, type RegionStorePlan } from './store-plan.ts';

/** How often it is looked at whether all nodes run. */
const LOOK_MS = 1_000;
/** Waits between attempts to start a node that does not come up: doubled from the first to the last. */
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;

/** What the keeper rests on. */
export interface KeeperTools {
  readonly clock: Clock;
  readonly timer: Timer;
  readonly random: Random;
  readonly say: (text: string) => void;
}

/** Runs one region's cluster and object store: starts them, starts again what dies, stops them in order. */
export class StoreKeeper {
  readonly #plan: RegionStorePlan;
  readonly #tools: KeeperTools;
  readonly #stopping = new AbortController();
  #cluster: LocalCassandra | undefined;
  #objects: SupervisedChild | undefined;
  #log: LogFile | undefined;
  #working: Promise<void> = Promise.resolve();
  #isStarting = false;

  constructor(plan: RegionStorePlan, tools: KeeperTools) {
    this.#plan = plan;
    this.#tools = tools;
  }

  /** Starts both; a node that runs already, left by a keeper that was killed, is kept. Throws START_FAILED where a node does not come up. */
  async start(weed: string): Promise<void> {
    await this.#startObjects(weed);
    const cluster = await LocalCassandra.open(this.#plan.cassandra);
    this.#cluster = cluster;
    const started = this.#whileStarting(() => cluster.start());
    this.#working = started.catch(() => undefined);
    await started;
    if (!this.#stopping.signal.aborted) this.#working = this.#keep(cluster);
  }

  /** Ends both; nodes drain, so that nothing waits in a commit log only. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    // A node that is coming up takes no orders; what it had before is in its commit log.
    if (this.#isStarting) await this.#cluster?.kill();
    await this.#working;
    await Promise.all([this.#cluster?.stop(), this.#objects?.stop()]);
    this.#log?.close();
  }

  async #startObjects(weed: string): Promise<void> {
    const { clock, timer, random, say } = this.#tools;
    const { region, objects } = this.#plan;
    const runFolder = objectsRunFolder(objects);
    await endLeftovers(runFolder, ms => timer.sleep(ms));
    this.#log = new LogFile(join(objects.folder, 'seaweedfs.log'), 'seaweedfs', clock);
    this.#objects = new SupervisedChild(await seaweedFsChild(objects, weed, random), {
      ...{ clock, timer, log: this.#log, runFolder },
      tell: text => say(`${region}: ${text}`),
    });
    await this.#objects.start();
  }

  async #keep(cluster: LocalCassandra): Promise<void> {
    const { timer, say } = this.#tools;
    const { signal } = this.#stopping;
    let waitMs = FIRST_RETRY_MS;
    while (!signal.aborted) {
      await timer.sleep(LOOK_MS, signal);
      for (const node of cluster.nodes) {
        if (signal.aborted || cluster.isRunning(node.index)) continue;
        say(`${this.#plan.region}: Cassandra ${node.dataCentre} is gone; starting it again`);
        try {
          await this.#whileStarting(() => cluster.startNode(node.index));
          waitMs = FIRST_RETRY_MS;
          say(`${this.#plan.region}: Cassandra ${node.dataCentre} answers again`);
        } catch (error) {
          say(`${this.#plan.region}: ${error instanceof Error ? error.message : String(error)}`);
          await timer.sleep(waitMs, signal);
          waitMs = Math.min(2 * waitMs, MAX_RETRY_MS);
        }
      }
    }
  }

  async #whileStarting(work: () => Promise<void>): Promise<void> {
    this.#isStarting = true;
    try {
      await work();
    } finally {
      this.#isStarting = false;
    }
  }
}
