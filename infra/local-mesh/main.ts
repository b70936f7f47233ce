import { join } from 'node:path';
import { systemClock } from '@featuremesh/runtime/clock';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { readyText } from './announce.ts';
import { EXIT_REFUSED, explainError } from './explain-error.ts';
import { Launcher } from './launcher.ts';
import { takeLauncherLock } from './launcher-lock.ts';
import { MESH_HELP, parseMeshOptions } from './options.ts';
import { ProgressView } from './progress-view.ts';
import { DEMO_REGION_COUNT } from './region-names.ts';

/** Runs the mesh until a signal, or until the program that started this one is gone. Returns the exit status. */
async function run(): Promise<number> {
  const options = parseMeshOptions(process.argv.slice(2), process.env, process.cwd());
  const view = new ProgressView(process.stdout);
  if (options.help) {
    view.line(MESH_HELP);
    return 0;
  }
  const release = await takeLauncherLock(options.dataDir, systemTimer, text => view.line(text));
  const stop = new AbortController();
  const ends = (): void => stop.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ends);
  if (process.connected === true) process.on('disconnect', ends);
  const launcher = new Launcher(options, {
    clock: systemClock,
    timer: systemTimer,
    random: systemRandom,
    view,
  });
  const startedMs = systemClock.monotonicMs();
  const started = launcher.start();
  const interrupted = new Promise<void>(resolve =>
    stop.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  try {
    await Promise.race([started, interrupted]);
    if (!stop.signal.aborted) {
      const demo = options.demo && options.regions >= DEMO_REGION_COUNT;
      if (options.demo && !demo)
        view.line(`The demo needs ${DEMO_REGION_COUNT} regions; this mesh starts empty`);
      const seconds = (systemClock.monotonicMs() - startedMs) / 1_000;
      const defaultDataDir = options.dataDir === join(process.cwd(), '.featuremesh');
      const reads = await Promise.race([launcher.measuredReads(), interrupted.then(() => undefined)]);
      view.line(
        readyText(launcher.meshFile(), {
          seconds,
          dataDir: options.dataDir,
          defaultDataDir,
          cwd: process.cwd(),
          demo,
          reads,
        }),
      );
      while (!stop.signal.aborted) await systemTimer.sleep(60_000, stop.signal);
    }
    view.line('Stopping');
    return 0;
  } finally {
    started.catch(() => undefined);
    const ran = await launcher.stop();
    release();
    if (ran) view.line('Stopped; nothing is left running');
  }
}

try {
  process.exitCode = await run();
} catch (error) {
  process.exitCode = EXIT_REFUSED;
  process.stderr.write(explainError(error));
}
if (process.connected === true) process.disconnect();
