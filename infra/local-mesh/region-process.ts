import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { endLeftovers, isOurs, readPidFiles } from '@featuremesh/cli/region/pid-file';
import { installationRoot } from '@featuremesh/cli/target/data-folder';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Repetition, Timer } from '@featuremesh/runtime/timer';
import { z } from 'zod';
import type { PreparedRegion } from './prepare-regions.ts';

/** From SIGTERM to SIGKILL for a whole region: above the sum of what its supervisor grants its parts. */
const REGION_STOP_MS = 45_000;
/** How often it is looked at whether someone runs again a region that is down. */
const LOOK_MS = 1_000;
/** Lines of a region's stderr kept to explain a failed start. */
const MAX_KEPT_LINES = 30;

const messageSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('note'), text: z.string() }),
  z.object({ kind: z.literal('pids'), pids: z.record(z.string(), z.int()) }),
  z.object({ kind: z.literal('ready'), pids: z.record(z.string(), z.int()) }),
]);

/** What a region's process tells the launcher. */
export interface RegionListeners {
  /** Its process ids changed. */
  readonly onChange: () => void;
  readonly onNote: (text: string) => void;
  /** It is down because its supervisor ended, in words; nobody but a person starts it again. */
  readonly onDown: (how: string) => void;
}

/**
 * `fmesh region serve` of one region, as a child of the launcher. Its parts are restarted by that supervisor; the supervisor
 * itself is not, since who ends it means the region. It may be run again by hand, which is noticed and left alone.
 */
export class RegionProcess {
  readonly region: PreparedRegion;
  readonly #timer: Timer;
  readonly #listeners: RegionListeners;
  readonly #lines: string[] = [];
  #child: ChildProcess | undefined;
  #pids: Readonly<Record<string, number>> = {};
  #ready = false;
  /** While it is down: looks for someone who runs it again. */
  #look: Repetition | undefined;

  constructor(region: PreparedRegion, timer: Timer, listeners: RegionListeners) {
    this.region = region;
    this.#timer = timer;
    this.#listeners = listeners;
  }

  /** Process ids by part, as last reported. */
  get pids(): Readonly<Record<string, number>> {
    return this.#pids;
  }

  /** Starts and waits until the region is ready; START_FAILED with what it said otherwise. */
  async start(): Promise<void> {
    // Its own session, so that Ctrl-C reaches the launcher only, which then stops the regions.
    const child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        // A supervisor makes next to nothing after its start.
        '--max-semi-space-size=1',
        join(installationRoot, 'services', 'cli', 'main.ts'),
        'region',
        'serve',
        '--config',
        this.region.configPath,
      ],
      { detached: true, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] },
    );
    this.#child = child;
    child.stderr?.setEncoding('utf8');
    child.stderr?.on('data', (text: string) => this.#keep(text));
    const ready = new Promise<void>((resolve, reject) => {
      child.on('message', message => {
        if (this.#take(message)) resolve();
      });
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        this.#pids = {};
        reject(this.#failure(signal ?? `status ${code}`));
        if (this.#ready) this.#down(signal ?? `status ${code}`);
      });
    });
    await ready;
  }

  /** Stops the region in order; kills what does not stop in time. Where its supervisor was killed, ends what that left, except a run by hand. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#ready = false;
    this.#look?.stop();
    if (child === undefined) return;
    if (child.exitCode !== null || child.signalCode !== null) {
      const byHand = this.#supervisorByHand();
      if (byHand === undefined) await endLeftovers(this.#runFolder, ms => this.#timer.sleep(ms));
      else this.#listeners.onNote(`was started by hand (process ${byHand}) and goes on`);
      return;
    }
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const enough = new AbortController();
    const late = this.#timer.sleep(REGION_STOP_MS, enough.signal).then(() => true);
    if (await Promise.race([ended.then(() => false), late])) {
      this.#listeners.onNote('did not stop in time and was killed');
      child.kill('SIGKILL');
      await ended;
    }
    enough.abort();
  }

  get #runFolder(): string {
    return join(this.region.config.dataDir, 'run');
  }

  #down(how: string): void {
    const { onDown, onNote, onChange } = this.#listeners;
    onDown(how);
    onChange();
    let before: number | undefined;
    this.#look = this.#timer.every(LOOK_MS, () => {
      const now = this.#supervisorByHand();
      if (now === before) return;
      before = now;
      this.#pids = now === undefined ? {} : { supervisor: now };
      onNote(now === undefined ? 'is down again' : `is run again, by process ${now}`);
      onChange();
    });
  }

  #supervisorByHand(): number | undefined {
    return readPidFiles(this.#runFolder).find(record => record.name === 'supervisor' && isOurs(record))?.pid;
  }

  #take(message: unknown): boolean {
    const parsed = messageSchema.safeParse(message);
    if (!parsed.success) return false;
    if (parsed.data.kind === 'note') {
      this.#listeners.onNote(parsed.data.text);
      return false;
    }
    this.#pids = parsed.data.pids;
    if (parsed.data.kind === 'ready') this.#ready = true;
    this.#listeners.onChange();
    return parsed.data.kind === 'ready';
  }

  #keep(text: string): void {
    this.#lines.push(...text.split('\n').filter(line => line.trim() !== ''));
    this.#lines.splice(0, this.#lines.length - MAX_KEPT_LINES);
  }

  #failure(how: string): ProblemError {
    const said = this.#lines.length === 0 ? '' : `:\n  ${this.#lines.join('\n  ')}`;
    return new ProblemError(problem('START_FAILED', `region ${this.region.id} ended with ${how}${said}`));
  }
}
