import { readFileSync } from 'node:fs';

/** Linux counts processor time of processes in hundredths of a second. */
const US_PER_TICK = 10_000;
/** Places of user and system time in `/proc/<pid>/stat`, counted behind the program's name, which may hold spaces. */
const USER_AT = 11;
const SYSTEM_AT = 12;

/** Processor time that processes have taken until now, all their threads together, in microseconds; 0 for one that is gone. */
export function processorUs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + US_PER_TICK * ticks(pid), 0);
}

function ticks(pid: number): number {
  try {
    const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
    const numbers = fields.split(' ').map(Number);
    return (numbers[USER_AT] ?? 0) + (numbers[SYSTEM_AT] ?? 0);
  } catch {
    return 0;
  }
}
