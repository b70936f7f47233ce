import { readFileSync, readlinkSync } from 'node:fs';
import { identify, isAlive } from './process-identity.ts';

/** This process as others on the same machine can tell it from every other one; undefined where the system does not tell. Linux. */
export function ownProcessMark(): string | undefined {
  const scope = machineScope();
  const self = identify(process.pid);
  if (scope === undefined || self?.startTicks === undefined) return undefined;
  return `${scope}/${self.pid}/${self.startTicks}`;
}

/** True only where the marked process is known to have ended: of another boot, or of other process numbers, nothing is known. */
export function isKnownGone(mark: string): boolean {
  const [boot, namespace, pid, startTicks] = mark.split('/');
  if (`${boot}/${namespace}` !== machineScope() || !(Number(pid) > 0)) return false;
  return !isAlive({ pid: Number(pid), startTicks: Number(startTicks) });
}

/** Boot and process namespace: within both a process number and its start time name one process. */
function machineScope(): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot}/${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return undefined;
  }
}
