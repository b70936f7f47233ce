import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MeshProfile } from '@featuremesh/infra/local-mesh/profile';
import type { Timer } from '@featuremesh/runtime/timer';
import { bringIntoForce } from '../mesh/fmesh.ts';
import { type Mesh, readMesh } from '../mesh/mesh-regions.ts';

const LAUNCHER = fileURLToPath(new URL('../../infra/local-mesh/main.ts', import.meta.url));
const WORKLOAD = fileURLToPath(new URL('.', import.meta.url));
const CLI = fileURLToPath(new URL('../../services/cli/main.ts', import.meta.url));
const READY_WITHIN_MS = { embedded: 120_000, full: 300_000 };
const POLL_MS = 200;

/** A mesh of its own, started as `npm start` does it, with the rows that clients count. */
export interface StartedMesh {
  readonly mesh: Mesh;
  /** Runs a region whose supervisor was killed, as a person does; `stop` ends it too. */
  readonly serveByHand: (configPath: string) => void;
  readonly stop: () => Promise<void>;
}

/** Starts a mesh in a folder and brings the definitions and policy into force. Rejects where it does not get ready in minutes. */
export async function startMesh(options: {
  readonly dataDir: string;
  readonly regions: number;
  readonly portBase: number;
  readonly profile: MeshProfile;
  /** `demo`: a network that delays, and can be cut; `off`: none. */
  readonly wan: 'demo' | 'off';
  readonly timer: Timer;
}): Promise<StartedMesh> {
  const { dataDir, timer } = options;
  mkdirSync(dataDir, { recursive: true });
  const args = ['--no-demo', '--wan', options.wan, '--data-dir', dataDir];
  const { profile } = options;
  const more = [
    '--profile',
    profile,
    '--regions',
    String(options.regions),
    '--port-base',
    String(options.portBase),
  ];
  const log = createWriteStream(join(dataDir, 'launcher.log'), { flags: 'a' });
  const run = (program: string, given: readonly string[]): ChildProcess => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...given], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, FEATUREMESH_CLOCK_DRILL: '1' },
    });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    return child;
  };
  const child = run(LAUNCHER, [...args, ...more]);
  const byHand: ChildProcess[] = [];
  const serveByHand = (configPath: string): void => {
    byHand.push(run(CLI, ['region', 'serve', '--config', configPath]));
  };
  const stop = async (): Promise<void> => {
    await Promise.all(byHand.map(ended));
    await ended(child);
    log.end();
  };
  try {
    const file = join(dataDir, 'mesh.json');
    await ready(child, file, { timer, withinMs: READY_WITHIN_MS[profile] });
    const mesh = readMesh(file);
    await bringIntoForce(WORKLOAD, dataDir, mesh);
    return { mesh, serveByHand, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function ready(
  child: ChildProcess,
  file: string,
  { timer, withinMs }: { timer: Timer; withinMs: number },
): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  while (performance.now() < deadlineMs) {
    if (child.exitCode !== null) break;
    try {
      readMesh(file);
      return;
    } catch {
      await timer.sleep(POLL_MS);
    }
  }
  throw new Error(`the mesh did not get ready; see launcher.log beside ${file}`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}
