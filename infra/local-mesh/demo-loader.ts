import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { installationRoot } from '@featuremesh/cli/target/data-folder';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Timer } from '@featuremesh/runtime/timer';
import { type LoaderEvent, loaderEventSchema } from './loader-protocol.ts';

const LOADER_STOP_MS = 8_000;
const LOADER = join('load-tests', 'flights', 'main.ts');

/** The program that replays the flights, as a child of the launcher; see loader-protocol. */
export class DemoLoader {
  readonly #options: { meshFile: string; rows: number; dataDir: string; timer: Timer };
  readonly #onEvent: (event: LoaderEvent) => void;
  readonly #onEnd: (how: string) => void;
  #child: ChildProcess | undefined;

  constructor(
    options: { meshFile: string; rows: number; dataDir: string; timer: Timer },
    listeners: { onEvent: (event: LoaderEvent) => void; onEnd: (how: string) => void },
  ) {
    this.#options = options;
    this.#onEvent = listeners.onEvent;
    this.#onEnd = listeners.onEnd;
  }

  /** Starts it and waits for `ready`; START_FAILED where it ends before. */
  async startUntilReady(): Promise<void> {
    const { meshFile, rows, dataDir } = this.#options;
    const program = join(installationRoot, LOADER);
    if (!existsSync(program))
      throw new ProblemError(problem('START_FAILED', `the demo loader is missing: ${LOADER}`));
    const state = join(dataDir, 'demo');
    mkdirSync(state, { recursive: true });
    const logPath = join(dataDir, 'demo', 'loader.log');
    const args = [
      '--disable-warning=ExperimentalWarning',
      // Pages of flights are large and short-lived; without it three of them stay in memory.
      '--max-semi-space-size=4',
      program,
      '--mesh',
      meshFile,
      '--rows',
      String(rows),
      '--state',
      state,
    ];
    const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#child = child;
    child.stderr?.pipe(createWriteStream(logPath, { flags: 'w' }));
    const { stdout } = child;
    if (stdout === null) throw new TypeError('the loader has no standard output');
    const lines = createInterface({ input: stdout });
    await new Promise<void>((resolve, reject) => {
      lines.on('line', line => {
        const event = parseEvent(line);
        if (event === undefined) return;
        this.#onEvent(event);
        if (event.event === 'ready') resolve();
      });
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        const how = signal ?? `status ${code}`;
        reject(
          new ProblemError(problem('START_FAILED', `the demo loader ended with ${how}; its log: ${logPath}`)),
        );
        this.#onEnd(how);
      });
    });
  }

  /** Ends it; kills it where it does not end in time. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const enough = new AbortController();
    const late = this.#options.timer.sleep(LOADER_STOP_MS, enough.signal).then(() => true);
    if (await Promise.race([ended.then(() => false), late])) {
      child.kill('SIGKILL');
      await ended;
    }
    enough.abort();
  }
}

function parseEvent(line: string): LoaderEvent | undefined {
  try {
    const parsed = loaderEventSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
