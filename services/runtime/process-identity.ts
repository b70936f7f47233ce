import { readFileSync, readlinkSync } from 'node:fs';

/** What tells one process from a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot at which the kernel started it; undefined where the system does not tell. */
  readonly startTicks?: number;
}

/** Field 22 of `/proc/<pid>/stat`, counted after the last `)` because a program's name may hold spaces and brackets. */
const START_TIME_AFTER_NAME = 19;

/** The identity of a live process, or undefined where there is none. Zombies count as gone: they hold nothing. */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return { pid, startTicks: Number(fields[START_TIME_AFTER_NAME]) };
  } catch {
    return existsWithoutProc(pid) ? { pid } : undefined;
  }
}

/** The arguments a process was started with, or undefined where the system does not tell. */
export function commandLine(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return text.split('\0').filter(argument => argument !== '');
  } catch {
    return undefined;
  }
}

/** True where the process of this identity is still the one that runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = identify(identity.pid);
  if (now === undefined) return false;
  return (
    identity.startTicks === undefined ||
    now.startTicks === undefined ||
    now.startTicks === identity.startTicks
  );
}

function existsWithoutProc(pid: number): boolean {
  try {
    readlinkSync('/proc/self');
    return false;
  } catch {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EPERM';
    }
  }
}
