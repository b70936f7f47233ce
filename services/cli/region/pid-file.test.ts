import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify, isAlive } from '@featuremesh/runtime/process-identity';
import { systemTimer } from '@featuremesh/runtime/timer';
import { expect, test } from 'vitest';
import { endLeftovers, isOurs, readPidFiles, writePidFile } from './pid-file.ts';

const sleep = (ms: number): Promise<void> => systemTimer.sleep(ms);

async function longLived(argument: string, code = 'setInterval(() => 0, 1000)') {
  const child = spawn(process.execPath, ['-e', `${code}; console.log('up')`, '--', argument], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  if (child.pid === undefined) throw new Error('not started');
  return { child, pid: child.pid, ended: once(child, 'exit') };
}

function folder(): string {
  return mkdtempSync(join(tmpdir(), 'fm pid '));
}

test('a process left behind is ended, and its record goes', async () => {
  const run = folder();
  const { pid, ended } = await longLived('/a region/region.yaml');
  await writePidFile(run, 'service-0', pid, '/a region/region.yaml');
  expect((await endLeftovers(run, sleep)).map(record => record.pid)).toEqual([pid]);
  await ended;
  expect(isAlive({ pid })).toBe(false);
  expect(existsSync(join(run, 'service-0.pid'))).toBe(false);
});

test('one that ignores SIGTERM is killed', async () => {
  const run = folder();
  const { pid, ended } = await longLived(
    'mark',
    "process.on('SIGTERM', () => 0); setInterval(() => 0, 1000)",
  );
  await writePidFile(run, 'gateway', pid, 'mark');
  await endLeftovers(run, ms => sleep(ms / 40));
  expect((await ended)[1]).toBe('SIGKILL');
});

test('a stranger that got the same number is left alone: other arguments, or another start time', async () => {
  const run = folder();
  const { child, pid, ended } = await longLived('something else');
  await writePidFile(run, 'nats', pid, '/a region/nats.conf');
  const recorded = identify(pid);
  writeFileSync(
    join(run, 'sync.pid'),
    JSON.stringify({
      name: 'sync',
      pid,
      startTicks: (recorded?.startTicks ?? 0) - 1,
      marker: 'something else',
    }),
  );
  expect(readPidFiles(run)).toHaveLength(2);
  expect(await endLeftovers(run, sleep)).toEqual([]);
  expect(isAlive({ pid })).toBe(true);
  expect(readPidFiles(run)).toEqual([]);
  child.kill('SIGKILL');
  await ended;
});

test('torn records, missing folders and dead processes are no obstacle', async () => {
  const run = folder();
  writeFileSync(join(run, 'service-1.pid'), '{"name":"serv');
  expect(readPidFiles(run)).toEqual([]);
  expect(await endLeftovers(join(run, 'missing'), sleep)).toEqual([]);
  const { child, pid, ended } = await longLived('x');
  await writePidFile(run, 'sync', pid, 'x');
  child.kill('SIGKILL');
  await ended;
  expect(readPidFiles(run).map(isOurs)).toEqual([false]);
});
