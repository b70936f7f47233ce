import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LogFile } from '@featuremesh/cli/region/log-file';
import type { WantedPort } from '@featuremesh/cli/region/port-check';
import { healthReason } from '@featuremesh/cli/region/region-parts';
import { SupervisedChild } from '@featuremesh/cli/region/supervised-child';
import { installationRoot } from '@featuremesh/cli/target/data-folder';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { writeFileAtomic } from '@featuremesh/runtime/atomic-file';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Repetition, Timer } from '@featuremesh/runtime/timer';
import type { WanConfig } from '../wan/wan-path.ts';

/** Name of the proxy's folder in the data folder. */
export const WAN_FOLDER = 'wan';
const READY_WITHIN_MS = 30_000;
/** From SIGTERM to SIGKILL: it only resets connections. */
const STOP_MS = 5_000;
/** How often it is looked at whether a restart changed its process id. */
const LOOK_MS = 1_000;

/** What the proxy's process is run with. */
export interface WanProcessOptions {
  readonly config: WanConfig;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly timer: Timer;
  /** Says what a person should see. */
  readonly tell: (text: string) => void;
  /** Its process id changed. */
  readonly onChange: () => void;
}

/** The network between the regions as a process of its own, kept running: it outlives any region, and costs their event loops nothing. */
export class WanProcess {
  readonly #options: WanProcessOptions;
  readonly #stopping = new AbortController();
  #child: SupervisedChild | undefined;
  #log: LogFile | undefined;
  #look: Repetition | undefined;
  #knownPid: number | undefined;

  constructor(options: WanProcessOptions) {
    this.#options = options;
  }

  /** Where it is controlled; see infra/wan/control-protocol. */
  get controlUrl(): string {
    const { host, port } = this.#options.config.control;
    return `http://${host}:${port}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts it and waits until it listens on all paths; START_FAILED otherwise. */
  async start(): Promise<void> {
    const { config, dataDir, clock, timer, tell } = this.#options;
    const folder = join(dataDir, WAN_FOLDER);
    mkdirSync(folder, { recursive: true });
    const configPath = join(folder, 'paths.json');
    await writeFileAtomic(configPath, `${JSON.stringify(config, undefined, 2)}\n`);
    const logPath = join(folder, 'wan.log');
    this.#log = new LogFile(logPath, 'wan', clock);
    this.#child = new SupervisedChild(
      {
        name: 'wan',
        command: process.execPath,
        args: [
          '--disable-warning=ExperimentalWarning',
          join(installationRoot, 'infra', 'wan', 'main.ts'),
          '--config',
          configPath,
        ],
        env: process.env,
        ipc: true,
        marker: configPath,
        notReady: () => healthReason(this.controlUrl),
        stopMs: STOP_MS,
      },
      {
        clock,
        timer,
        log: this.#log,
        runFolder: join(folder, 'run'),
        tell: text => tell(`network between the regions: ${text}; its delays are then those of the start`),
      },
    );
    await this.#child.start();
    const reason = await this.#child.untilReady(READY_WITHIN_MS, this.#stopping.signal);
    if (reason !== undefined)
      throw new ProblemError(
        problem(
          'START_FAILED',
          `the network between the regions is not ready: ${reason}; its log: ${logPath}`,
        ),
      );
    this.#knownPid = this.pid;
    this.#look = timer.every(LOOK_MS, () => {
      if (this.pid === undefined || this.pid === this.#knownPid) return;
      this.#knownPid = this.pid;
      this.#options.onChange();
    });
  }

  /** Ends it; killed where it does not end in time. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#look?.stop();
    await this.#child?.stop();
    this.#log?.close();
  }
}

/** Every port that the proxy listens on, with its purpose. */
export function wanPorts({ control, paths }: WanConfig): readonly WantedPort[] {
  return [
    { ...control, purpose: 'control of the network between the regions' },
    ...paths.map(({ from, to, service, listen }) => ({
      ...listen,
      purpose: `network from ${from} to ${to}, ${service}`,
    })),
  ];
}
