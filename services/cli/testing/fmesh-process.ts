import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { systemRandom } from '@featuremesh/runtime/random';
import { installationRoot } from '../target/data-folder.ts';

/** What one run of `fmesh` gave. */
export interface FmeshResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A `fmesh` that stays, such as `region serve`. */
export interface FmeshProcess {
  readonly child: ChildProcess;
  /** Resolves when the text appears on stderr; rejects with all that was said when the process ends before. */
  saying(text: string): Promise<void>;
  /** Resolves with the result once it ended. */
  readonly ended: Promise<FmeshResult>;
}

/** Starts `fmesh` as users do, in a folder. */
export function startFmesh(args: readonly string[], cwd: string): FmeshProcess {
  const program = join(installationRoot, 'services', 'cli', 'main.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = { out: '', err: '' };
  const listeners = new Set<() => void>();
  const take = (name: 'out' | 'err') => (text: string) => {
    texts[name] += text;
    for (const listener of listeners) listener();
  };
  child.stdout.setEncoding('utf8').on('data', take('out'));
  child.stderr.setEncoding('utf8').on('data', take('err'));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...texts }));
  const saying = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (texts.err.includes(text)) resolve();
      };
      listeners.add(look);
      look();
      void ended.then(() => reject(new Error(`ended without saying "${text}": ${texts.err}${texts.out}`)));
    });
  return { child, saying, ended };
}

/** Runs `fmesh` to its end. */
export function fmesh(args: readonly string[], cwd: string): Promise<FmeshResult> {
  return startFmesh(args, cwd).ended;
}

/** A base from which `count` ports are free at this moment; a region takes ten. */
export async function freePortBase(count = 10): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const base = 20_000 + systemRandom.int(1_200) * 10;
    const free = await Promise.all(Array.from({ length: count }, (_, offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
  throw new Error('no free ports in a row');
}

/** Command lines of live processes that name this text. */
export function processesNaming(text: string): readonly string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && name !== String(process.pid))
    .flatMap(pid => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return line.includes(text) ? [`${pid} ${line}`] : [];
      } catch {
        return [];
      }
    });
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
