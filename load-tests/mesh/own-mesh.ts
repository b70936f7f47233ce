import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemTimer } from '@featuremesh/runtime/timer';
import { type Mesh, readMesh } from './mesh-regions.ts';

const LAUNCHER = fileURLToPath(new URL('../../infra/local-mesh/main.ts', import.meta.url));
/** Far from the ports of a mesh that may run already. */
const PORT_BASE = 9_400;
const POLL_MS = 20;
const GIVE_UP_MS = 300_000;

/** A mesh that a measurement started for itself; `readyS` is the time to mesh.json, `stop` ends it and tells the seconds that it took. */
export interface OwnMesh {
  readonly mesh: Mesh;
  readonly readyS: number;
  readonly stop: () => Promise<number>;
}

/** Starts a mesh in a folder with further arguments of `npm start`. Throws, and leaves nothing running, where it does not become ready. */
export async function startOwnMesh(dataDir: string, args: readonly string[]): Promise<OwnMesh> {
  const startedMs = performance.now();
  const launcher = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      LAUNCHER,
      ...['--data-dir', dataDir, '--port-base', String(PORT_BASE), ...args],
    ],
    // It ends with this process, however that ends.
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  );
  const ended = once(launcher, 'exit');
  const stop = async (): Promise<number> => {
    const stoppingMs = performance.now();
    if (launcher.exitCode === null && launcher.signalCode === null) {
      launcher.kill('SIGINT');
      await ended;
    }
    return (performance.now() - stoppingMs) / 1_000;
  };
  const meshPath = join(dataDir, 'mesh.json');
  try {
    while (!existsSync(meshPath)) {
      if (launcher.exitCode !== null) throw new Error(`the start ended with status ${launcher.exitCode}`);
      if (performance.now() - startedMs > GIVE_UP_MS) throw new Error('the start took too long');
      await systemTimer.sleep(POLL_MS);
    }
    return { mesh: readMesh(meshPath), readyS: (performance.now() - startedMs) / 1_000, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
