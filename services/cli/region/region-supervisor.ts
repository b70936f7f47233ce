import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RegionConfig } from '@featuremesh/contracts/region-config';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Clock } from '@featuremesh/runtime/clock';
import { loadRegionConfig } from '@featuremesh/runtime/config-loader';
import type { Repetition, Timer } from '@featuremesh/runtime/timer';
import { LogFile } from './log-file.ts';
import { endLeftovers, isOurs, readPidFiles, removePidFile, writePidFile } from './pid-file.ts';
import { findUsedPorts } from './port-check.ts';
import { regionParts, regionPorts } from './region-parts.ts';
import { SupervisedChild } from './supervised-child.ts';

/** Longest start of one part: LMDB recovery and broker replay of a region that was killed, on a busy machine. */
const READY_WITHIN_MS = 90_000;
/** How long a start waits for an earlier supervisor of the same folder that is stopping. */
const EARLIER_RUN_MS = 20_000;
const EARLIER_POLL_MS = 200;
/** How often region.yaml is looked at. */
const CONFIG_POLL_MS = 1_000;
/** Lines of a part's log shown when it does not start, and their length. */
const SHOWN_LOG_LINES = 5;
const MAX_SHOWN_LINE = 400;
const SUPERVISOR = 'supervisor';

/** What the supervisor rests on. */
export interface SupervisorOptions {
  readonly configPath: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly timer: Timer;
  /** Writes the broker's configuration and returns its path; called again when region.yaml changed. */
  readonly writeBrokerConfig: (config: RegionConfig) => Promise<string>;
  /** Path of the broker's program. */
  readonly locateBroker: () => Promise<string>;
  /** Says what a person should see. */
  readonly tell: (text: string) => void;
  /** Process ids by part name, after every start and restart. */
  readonly onPids: (pids: Readonly<Record<string, number>>) => void;
}

/**
 * Runs one region: broker, sync agent, service processes, gateway. Starts them in order, keeps them running, follows changes of
 * region.yaml, stops them in the opposite order within bounded time.
 */
export class RegionSupervisor {
  readonly #options: SupervisorOptions;
  readonly #stopping = new AbortController();
  #config: RegionConfig;
  #text: string;
  #children: SupervisedChild[] = [];
  #logs = new Map<string, LogFile>();
  #watch: Repetition | undefined;
  #reported = '';
  #takingOver: Promise<void> | undefined;

  /** INVALID_CONFIG where region.yaml is not valid. */
  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#text = readFileSync(options.configPath, 'utf8');
    this.#config = loadRegionConfig(options.configPath);
  }

  get config(): RegionConfig {
    return this.#config;
  }

  /** Process ids of what runs, by part name. */
  get pids(): Readonly<Record<string, number>> {
    const children = this.#children.flatMap(child =>
      child.pid === undefined ? [] : [[child.spec.name, child.pid] as const],
    );
    return { [SUPERVISOR]: process.pid, ...Object.fromEntries(children) };
  }

  /** Starts everything and waits until all is ready. ALREADY_RUNNING, PORT_IN_USE or START_FAILED otherwise, with nothing left running. */
  async start(): Promise<void> {
    await this.#awaitEarlierRun();
    const ended = await endLeftovers(this.#runFolder, ms => this.#options.timer.sleep(ms));
    if (ended.length > 0)
      this.#options.tell(`ended what an earlier run left: ${ended.map(one => one.name).join(', ')}`);
    await writePidFile(this.#runFolder, SUPERVISOR, process.pid, this.#options.configPath);
    try {
      await this.#refuseUsedPorts();
      await this.#startParts();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#watch = this.#options.timer.every(CONFIG_POLL_MS, () => this.#look());
  }

  /** Gateway first, broker last; each is given time to drain. Safe to call more than once. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#watch?.stop();
    await this.#takingOver;
    for (const child of this.#children.toReversed()) await child.stop();
    for (const log of this.#logs.values()) log.close();
    this.#logs.clear();
    removePidFile(this.#runFolder, SUPERVISOR);
  }

  get #runFolder(): string {
    return join(this.#config.dataDir, 'run');
  }

  async #awaitEarlierRun(): Promise<void> {
    const earlier = (): number | undefined =>
      readPidFiles(this.#runFolder).find(record => record.name === SUPERVISOR && isOurs(record))?.pid;
    for (
      let waitedMs = 0;
      earlier() !== undefined && waitedMs < EARLIER_RUN_MS;
      waitedMs += EARLIER_POLL_MS
    ) {
      if (waitedMs === 0)
        this.#options.tell('an earlier run of this region is still there; waiting for it to stop');
      await this.#options.timer.sleep(EARLIER_POLL_MS, this.#stopping.signal);
    }
    const pid = earlier();
    if (pid === undefined) return;
    throw new ProblemError(
      problem(
        'ALREADY_RUNNING',
        `region ${this.#config.id} is run by process ${pid}; stop it first (kill ${pid}), it drains by itself`,
      ),
    );
  }

  async #refuseUsedPorts(): Promise<void> {
    const used = await findUsedPorts(regionPorts(this.#config));
    if (used.length === 0) return;
    const lines = used.map(
      one => `${one.port} (${one.purpose})${one.holder === undefined ? '' : `, held by ${one.holder}`}`,
    );
    throw new ProblemError(
      problem(
        'PORT_IN_USE',
        `region ${this.#config.id} cannot listen on ${lines.join('; ')}. Move: change the ports in ${this.#options.configPath}, or for a local mesh start with --port-base`,
      ),
    );
  }

  async #startParts(): Promise<void> {
    this.#children = await this.#describe();
    const [broker, ...others] = this.#children;
    if (broker === undefined) return;
    await broker.start();
    await this.#ready(broker);
    for (const child of others) await child.start();
    this.#report();
    await Promise.all(others.map(child => this.#ready(child)));
    this.#report();
  }

  async #describe(): Promise<SupervisedChild[]> {
    const { configPath, env } = this.#options;
    const broker =
      this.#config.nats.embedded === undefined
        ? undefined
        : {
            program: await this.#options.locateBroker(),
            configPath: await this.#options.writeBrokerConfig(this.#config),
          };
    return regionParts({ config: this.#config, configPath, env, broker }).map(spec => {
      const { clock, timer } = this.#options;
      const tell = (text: string): void => {
        this.#options.tell(text);
        void this.#options.timer.sleep(CONFIG_POLL_MS, this.#stopping.signal).then(() => this.#report());
      };
      return new SupervisedChild(spec, {
        clock,
        timer,
        tell,
        runFolder: this.#runFolder,
        log: this.#log(spec.name),
      });
    });
  }

  #log(name: string): LogFile {
    const known = this.#logs.get(name);
    if (known !== undefined) return known;
    const log = new LogFile(join(this.#config.dataDir, 'logs', `${name}.log`), name, this.#options.clock);
    this.#logs.set(name, log);
    return log;
  }

  async #ready(child: SupervisedChild): Promise<void> {
    const reason = await child.untilReady(READY_WITHIN_MS, this.#stopping.signal);
    if (reason === undefined) return;
    const log = join(this.#config.dataDir, 'logs', `${child.spec.name}.log`);
    throw new ProblemError(
      problem('START_FAILED', `${child.spec.name} of ${this.#config.id} is not ready: ${reason}`, {
        issues: logTail(log).map(line => ({ path: log, message: line })),
      }),
    );
  }

  #report(): void {
    const pids = this.pids;
    const text = JSON.stringify(pids);
    if (text === this.#reported) return;
    this.#reported = text;
    this.#options.onPids(pids);
  }

  /** Takes over a changed region.yaml: an invalid one is named and changes nothing. */
  async #look(): Promise<void> {
    this.#report();
    let text: string;
    try {
      text = readFileSync(this.#options.configPath, 'utf8');
    } catch {
      return;
    }
    if (text === this.#text || this.#stopping.signal.aborted) return;
    this.#text = text;
    this.#takingOver = this.#reload();
    await this.#takingOver;
  }

  async #reload(): Promise<void> {
    try {
      const config = loadRegionConfig(this.#options.configPath);
      if (JSON.stringify(config) !== JSON.stringify(this.#config)) await this.#takeOver(config);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      const places = error.problem.issues?.map(issue => `${issue.path} ${issue.message}`).join('; ') ?? '';
      this.#options.tell(`region.yaml changed, but: ${error.problem.detail} ${places}`);
    }
  }

  /** One part after the other, so that a region with two service processes keeps serving. */
  async #takeOver(config: RegionConfig): Promise<void> {
    const moved = JSON.stringify(regionPorts(config)) !== JSON.stringify(regionPorts(this.#config));
    if (moved || config.dataDir !== this.#config.dataDir || config.id !== this.#config.id) {
      this.#options.tell(
        'region.yaml changed its id, ports or folder: stop the region and start it again to take that over',
      );
      return;
    }
    this.#config = config;
    this.#options.tell('region.yaml changed; taking it over');
    if (config.nats.embedded !== undefined) await this.#options.writeBrokerConfig(config);
    for (const child of this.#children) {
      if (this.#stopping.signal.aborted) return;
      await child.stop();
      await child.start();
      await this.#ready(child);
    }
    this.#report();
    this.#options.tell('region.yaml is in force');
  }
}

/** The last lines of a log, shortened: what a failed part said is the first thing that a person looks for. */
function logTail(path: string): readonly string[] {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  return lines.slice(-SHOWN_LOG_LINES).map(line => line.slice(0, MAX_SHOWN_LINE));
}
