import { readdirSync, readFileSync } from 'node:fs';
import type { KILLABLE } from './schedule.ts';

type ProcessName = (typeof KILLABLE)[number] | 'supervisor' | 'store';

/** What the command line of each names. */
const PROGRAMS: Readonly<Record<ProcessName, RegExp>> = {
  service: /services\/feature-store\/main\.ts/,
  sync: /sync\/main\.ts/,
  broker: /nats-server/,
  gateway: /gateway\/main\.ts/,
  supervisor: /\bregion serve\b/,
  store: /CassandraDaemon/,
};

/** Ids of processes of one kind that run now and name this folder: what watches them starts them anew under other ids. Linux. */
export function processesOf(folder: string, name: ProcessName): readonly number[] {
  return readdirSync('/proc')
    .filter(entry => /^\d+$/.test(entry))
    .filter(pid => {
      const command = commandOf(pid);
      return command.includes(folder) && PROGRAMS[name].test(command);
    })
    .map(Number);
}

/** Empty where the process ended meanwhile. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
