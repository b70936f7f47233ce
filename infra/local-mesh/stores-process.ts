import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LogFile } from '@featuremesh/cli/region/log-file';
import { isOurs, readPidFiles } from '@featuremesh/cli/region/pid-file';
import { SupervisedChild } from '@featuremesh/cli/region/supervised-child';
import { installationRoot } from '@featuremesh/cli/target/data-folder';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { writeFileAtomic } from '@featuremesh/runtime/atomic-file';
import type { Clock, MonotonicClock } from '@featuremesh/runtime/clock';
import type { Repetition, Timer } from '@featuremesh/runtime/timer';
import { answersCql } from '../cassandra/cql-probe.ts';
import { nodesOf } from '../cassandra/node-layout.ts';
import { s3Endpoint, s3NotReady } from './seaweedfs-child.ts';
import {
  clusterRunFolder,
  FAILURE_FILE,
  objectsRunFolder,
  PLANS_FILE,
  type RegionStorePlan,
  STORES_FOLDER,
} from './store-plan.ts';

/** Longest start of all nodes, on a machine that has little to spare. */
const READY_WITHIN_MS = 300_000;
/** From SIGTERM to SIGKILL: nodes drain first. */
const STOP_MS = 60_000;
/** How often it is looked at whether a restart changed a process id. */
const LOOK_MS = 1_000;
const PROBE_MS = 1_000;

/** What the stores' process is run with. */
export interface StoresProcessOptions {
  readonly plans: readonly RegionStorePlan[];
  readonly dataDir: string;
  readonly clock: Clock & MonotonicClock;
  readonly timer: Timer;
  /** Says what a person should see. */
  readonly tell: (text: string) => void;
  /** A process id changed. */
  readonly onChange: () => void;
}

/** The regions' clusters and object stores, kept running by a process of its own that outlives neither the launcher nor its kill. */
export class StoresProcess {
  readonly #options: StoresProcessOptions;
  readonly #stopping = new AbortController();
  readonly #answering = new Set<string>();
  #child: SupervisedChild | undefined;
  #log: LogFile | undefined;
  #look: Repetition | undefined;
  #knownPids = '';

  constructor(options: StoresProcessOptions) {
    this.#options = options;
  }

  /** Starts all and waits until every node and object store answers, telling of each; START_FAILED with what was said otherwise. */
  async start(): Promise<void> {
    const { plans, dataDir, clock, timer, tell } = this.#options;
    const folder = join(dataDir, STORES_FOLDER);
    mkdirSync(folder, { recursive: true });
    rmSync(join(folder, FAILURE_FILE), { force: true });
    const plansPath = join(folder, PLANS_FILE);
    await writeFileAtomic(plansPath, `${JSON.stringify(plans, undefined, 2)}\n`);
    const logPath = join(folder, 'stores.log');
    this.#log = new LogFile(logPath, 'stores', clock);
    const startedMs = clock.monotonicMs();
    const program = join(installationRoot, 'infra', 'local-mesh', 'stores-main.ts');
    this.#child = new SupervisedChild(
      {
        name: 'stores',
        command: process.execPath,
        args: [
          '--disable-warning=ExperimentalWarning',
          '--max-semi-space-size=1',
          program,
          '--plans',
          plansPath,
        ],
        env: process.env,
        ipc: true,
        marker: plansPath,
        notReady: () => this.#notReady(startedMs),
        stopMs: STOP_MS,
      },
      { clock, timer, log: this.#log, runFolder: join(folder, 'run'), tell: text => tell(`stores: ${text}`) },
    );
    await this.#child.start();
    const reason = await this.#child.untilReady(READY_WITHIN_MS, this.#stopping.signal);
    if (reason !== undefined)
      throw new ProblemError(
        problem(
          'START_FAILED',
          `the stores are not ready: ${this.#failure() ?? reason}; their log: ${logPath}`,
        ),
      );
    this.#look = timer.every(LOOK_MS, () => {
      const pids = JSON.stringify(plans.map(plan => this.pidsOf(plan.region)));
      if (pids !== this.#knownPids) this.#options.onChange();
      this.#knownPids = pids;
    });
  }

  /** Process ids of a region's nodes and object store, by what they are. */
  pidsOf(region: string): Readonly<Record<string, number>> {
    const plan = this.#options.plans.find(one => one.region === region);
    if (plan === undefined) return {};
    const running = [
      ...readPidFiles(clusterRunFolder(plan.cassandra)).map(one => ({
        ...one,
        name: `cassandra-${one.name}`,
      })),
      ...readPidFiles(objectsRunFolder(plan.objects)),
    ].filter(isOurs);
    return Object.fromEntries(running.map(({ name, pid }) => [name, pid]));
  }

  /** Ends all of them in order; killed where that does not end in time. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#look?.stop();
    await this.#child?.stop();
    this.#log?.close();
  }

  async #notReady(startedMs: number): Promise<string | undefined> {
    if (this.#failure() !== undefined) this.#stopping.abort();
    const parts = this.#options.plans.flatMap(partsOf).filter(({ name }) => !this.#answering.has(name));
    const missing = await Promise.all(
      parts.map(async ({ name, answers }) => {
        if (!(await answers())) return name;
        this.#answering.add(name);
        const seconds = (this.#options.clock.monotonicMs() - startedMs) / 1_000;
        this.#options.tell(`${name} answers (${seconds.toFixed(1)} s)`);
        return undefined;
      }),
    );
    const names = missing.filter(name => name !== undefined);
    return names.length === 0 ? undefined : `${names.join(', ')} did not answer in time`;
  }

  #failure(): string | undefined {
    const path = join(this.#options.dataDir, STORES_FOLDER, FAILURE_FILE);
    return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
  }
}

function partsOf({ region, cassandra, objects }: RegionStorePlan): readonly {
  readonly name: string;
  readonly answers: () => Promise<boolean>;
}[] {
  const nodes = nodesOf(cassandra).map(({ address, dataCentre }) => ({
    name: `${region}: Cassandra ${dataCentre} ${address}:${cassandra.cqlPort}`,
    answers: () => answersCql(address, cassandra.cqlPort, PROBE_MS),
  }));
  const s3 = {
    name: `${region}: SeaweedFS ${s3Endpoint(objects)}`,
    answers: async () => (await s3NotReady(objects)) === undefined,
  };
  return [...nodes, s3];
}
