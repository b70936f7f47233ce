import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '@featuremesh/runtime/atomic-file';
import { commandLine, identify, isAlive } from '@featuremesh/runtime/process-identity';

/** One line of `data/run/<name>.pid`: who runs, and which text its command line must hold to be ours. */
export interface PidRecord {
  readonly name: string;
  readonly pid: number;
  readonly startTicks?: number;
  /** Stands in the process's arguments, normally the path of region.yaml or of the broker's configuration. */
  readonly marker: string;
}

/** How long a leftover may take to end after SIGTERM before it is killed. */
const LEFTOVER_TERM_MS = 8_000;
/** How long to wait for the kernel to remove a killed one. */
const LEFTOVER_KILL_MS = 3_000;
const POLL_MS = 50;

/** Notes a started process in `<runFolder>/<name>.pid`, so that the next start can end it should this one die. */
export async function writePidFile(
  runFolder: string,
  name: string,
  pid: number,
  marker: string,
): Promise<void> {
  const record: PidRecord = { name, marker, ...(identify(pid) ?? { pid }) };
  await writeFileAtomic(join(runFolder, `${name}.pid`), `${JSON.stringify(record)}\n`);
}

/** Forgets a process that ended. */
export function removePidFile(runFolder: string, name: string): void {
  rmSync(join(runFolder, `${name}.pid`), { force: true });
}

/** All records of a run folder; a missing folder or a torn file gives none. */
export function readPidFiles(runFolder: string): readonly PidRecord[] {
  let names: string[];
  try {
    names = readdirSync(runFolder).filter(name => name.endsWith('.pid'));
  } catch {
    return [];
  }
  return names.flatMap(file => {
    const record = parseRecord(readFileSync(join(runFolder, file), 'utf8'));
    return record === undefined ? [] : [record];
  });
}

/** True where the recorded process lives, is the same one, and its arguments hold the marker: never a stranger's. */
export function isOurs(record: PidRecord): boolean {
  if (record.pid === process.pid || !isAlive(record)) return false;
  const line = commandLine(record.pid);
  return line === undefined
    ? record.startTicks === undefined
    : line.some(argument => argument.includes(record.marker));
}

/**
 * Ends what a killed supervisor left behind: SIGTERM to all, then SIGKILL after a bounded wait. Returns what was ended.
 * `sleep` is given so that tests may watch; records of strangers are dropped, their processes left alone.
 */
export async function endLeftovers(
  runFolder: string,
  sleep: (ms: number) => Promise<void>,
): Promise<readonly PidRecord[]> {
  const records = readPidFiles(runFolder);
  const ours = records.filter(isOurs);
  for (const record of ours) signal(record.pid, 'SIGTERM');
  await waitGone(ours, LEFTOVER_TERM_MS, sleep);
  const stubborn = ours.filter(isAlive);
  for (const record of stubborn) signal(record.pid, 'SIGKILL');
  await waitGone(stubborn, LEFTOVER_KILL_MS, sleep);
  for (const record of records) removePidFile(runFolder, record.name);
  return ours;
}

async function waitGone(
  records: readonly PidRecord[],
  withinMs: number,
  sleep: (ms: number) => Promise<void>,
): Promise<void> {
  for (let waited = 0; waited < withinMs && records.some(isAlive); waited += POLL_MS) await sleep(POLL_MS);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself meanwhile.
  }
}

function parseRecord(text: string): PidRecord | undefined {
  try {
    const value = JSON.parse(text) as Partial<PidRecord>;
    if (typeof value.name !== 'string' || typeof value.pid !== 'number' || typeof value.marker !== 'string')
      return undefined;
    return value as PidRecord;
  } catch {
    return undefined;
  }
}
