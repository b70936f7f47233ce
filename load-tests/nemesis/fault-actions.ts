import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nodesOf } from '@featuremesh/infra/cassandra/node-layout';
import { changeWan } from '@featuremesh/infra/wan/wan-control';
import type { Timer } from '@featuremesh/runtime/timer';
import { configPathOf, type Mesh, regionOf } from '../mesh/mesh-regions.ts';
import { storePlanOf } from '../mesh/mesh-stores.ts';
import { processesOf } from './region-processes.ts';
import { describeFault, type Fault } from './schedule.ts';
import type { StartedMesh } from './started-mesh.ts';

/** How long faults are waited for at their end: each ends by itself. */
const LONGEST_WAIT_MS = 30_000;

/** Does the faults of a schedule at their times and tells each; resolves when all have ended. Rejects only where a fault cannot be done. */
export async function doFaults(
  started: StartedMesh,
  faults: readonly Fault[],
  options: { readonly timer: Timer; readonly signal: AbortSignal; readonly say: (line: string) => void },
): Promise<void> {
  const { timer, signal, say } = options;
  const startedMs = performance.now();
  const running: Promise<void>[] = [];
  for (const fault of faults) {
    await timer.sleep(Math.max(0, fault.atMs - (performance.now() - startedMs)), signal);
    if (signal.aborted) break;
    say(`${(fault.atMs / 1_000).toFixed(1).padStart(6)} s  ${describeFault(fault)}`);
    running.push(doFault(started, fault, timer));
  }
  const late = timer.sleep(LONGEST_WAIT_MS).then(() => {
    throw new Error('a fault did not end');
  });
  late.catch(() => undefined);
  await Promise.race([Promise.all(running), late]);
}

async function doFault(started: StartedMesh, fault: Fault, timer: Timer): Promise<void> {
  const { mesh } = started;
  switch (fault.kind) {
    case 'kill':
      signalAll(processesOf(folderOf(mesh, fault.region), fault.process), 'SIGKILL');
      return;
    case 'freeze': {
      const pids = processesOf(folderOf(mesh, fault.region), 'service');
      signalAll(pids, 'SIGSTOP');
      await timer.sleep(fault.lastsMs);
      signalAll(pids, 'SIGCONT');
      return;
    }
    case 'clock': {
      const file = join(folderOf(mesh, fault.region), 'data', 'run', 'clock-offset-ms');
      writeFileSync(file, String(fault.offsetMs));
      await timer.sleep(fault.lastsMs);
      writeFileSync(file, '0');
      return;
    }
    case 'supervisor':
      signalAll(processesOf(folderOf(mesh, fault.region), 'supervisor'), 'SIGKILL');
      await timer.sleep(fault.lastsMs);
      started.serveByHand(configPathOf(regionOf(mesh, fault.region)));
      return;
    case 'store':
      signalAll(processesOf(nodeFolder(mesh, fault.region, fault.node), 'store'), 'SIGKILL');
      return;
    case 'cut':
    case 'black-hole': {
      const controlUrl = mesh.wan?.controlUrl;
      if (controlUrl === undefined) throw new Error('the mesh has no network to cut');
      const which = { regions: [...fault.between] };
      await changeWan(controlUrl, { action: fault.kind, which });
      await timer.sleep(fault.lastsMs);
      await changeWan(controlUrl, { action: 'heal', which });
      return;
    }
  }
}

/** The processes name the configuration, which stands beside the data. */
function folderOf(mesh: Mesh, id: string): string {
  return dirname(configPathOf(regionOf(mesh, id)));
}

/** Of one of a region's Cassandra nodes; the launcher gives a region one node where memory is short. */
function nodeFolder(mesh: Mesh, id: string, node: number): string {
  const nodes = nodesOf(storePlanOf(regionOf(mesh, id)).cassandra);
  const found = nodes[node % nodes.length];
  if (found === undefined) throw new Error(`${id} has no Cassandra node`);
  // Its end, so that the first node is not taken for the tenth.
  return join(found.folder, 'conf');
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended by itself, or another fault was first.
    }
  }
}
