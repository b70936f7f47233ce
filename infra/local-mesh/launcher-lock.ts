import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isOurs, readPidFiles, removePidFile, writePidFile } from '@featuremesh/cli/region/pid-file';
import { MESH_FILE } from '@featuremesh/cli/target/mesh-file';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Timer } from '@featuremesh/runtime/timer';

const NAME = 'launcher';
/** Stands in the arguments of every launcher. */
const MARKER = join('infra', 'local-mesh', 'main.ts');
/** How long a start waits for a launcher that is stopping, for instance because its terminal was closed. */
const EARLIER_RUN_MS = 60_000;
const POLL_MS = 250;

/** Makes sure that one launcher at a time works in a data folder. ALREADY_RUNNING where a mesh runs there. */
export async function takeLauncherLock(
  dataDir: string,
  timer: Timer,
  tell: (text: string) => void,
): Promise<() => void> {
  const folder = join(dataDir, 'run');
  const earlier = (): number | undefined =>
    readPidFiles(folder).find(record => record.name === NAME && isOurs(record))?.pid;
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const pid = earlier();
    if (pid === undefined) break;
    const ready = existsSync(join(dataDir, MESH_FILE));
    // A launcher that is ending has removed mesh.json; one that runs is given a moment to do so.
    if ((ready && waitedMs >= 4 * POLL_MS) || waitedMs >= EARLIER_RUN_MS) {
      throw new ProblemError(
        problem(
          'ALREADY_RUNNING',
          `a mesh runs from ${dataDir} (process ${pid}); stop it with Ctrl-C or kill ${pid}, or use another --data-dir and --port-base`,
        ),
      );
    }
    if (waitedMs === 4 * POLL_MS) tell('An earlier start is still ending; waiting for it');
    await timer.sleep(POLL_MS);
  }
  await writePidFile(folder, NAME, process.pid, MARKER);
  return () => removePidFile(folder, NAME);
}
