import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemTimer } from '@featuremesh/runtime/timer';
import type { Figure } from './figure.ts';
import { rounded } from './http-load.ts';

const LAUNCHER = fileURLToPath(new URL('../../infra/local-mesh/main.ts', import.meta.url));
/** Far from the ports of a mesh that may run already. */
const PORT_BASE = 9_400;
const POLL_MS = 20;
const GIVE_UP_MS = 300_000;
/** The mesh is ready when this many flights are readable. */
const DEMO_ROWS = 20_000;

/** From `npm start` to mesh.json, everything obtained already: a first start in an empty folder, and a second one on kept data. */
export const startTime: Figure = {
  name: 'start-time',
  about: 'first and second start of a mesh of three regions with demo data, and how long a clean stop takes',
  needsMesh: false,
  maxMeasurements: 60,
  async *run({ say }) {
    const dataDir = mkdtempSync(join(tmpdir(), 'featuremesh-start-'));
    try {
      for (const variant of ['first', 'second']) {
        say(`${variant} start`);
        yield { variant, values: await startAndStop(dataDir) };
      }
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
};

async function startAndStop(dataDir: string): Promise<Record<string, number>> {
  const startedMs = performance.now();
  const launcher = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      LAUNCHER,
      ...['--data-dir', dataDir, '--port-base', String(PORT_BASE), '--demo-rows', String(DEMO_ROWS)],
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const ended = once(launcher, 'exit');
  try {
    while (!existsSync(join(dataDir, 'mesh.json'))) {
      if (launcher.exitCode !== null) throw new Error(`the start ended with status ${launcher.exitCode}`);
      if (performance.now() - startedMs > GIVE_UP_MS) throw new Error('the start took too long');
      await systemTimer.sleep(POLL_MS);
    }
    const readyS = (performance.now() - startedMs) / 1_000;
    const stoppingMs = performance.now();
    launcher.kill('SIGINT');
    await ended;
    return { readyS: rounded(readyS), stopS: rounded((performance.now() - stoppingMs) / 1_000) };
  } finally {
    if (launcher.exitCode === null && launcher.signalCode === null) {
      launcher.kill('SIGINT');
      await ended;
    }
  }
}
