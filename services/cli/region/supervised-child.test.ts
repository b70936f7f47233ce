import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@featuremesh/runtime/clock';
import { isAlive } from '@featuremesh/runtime/process-identity';
import { systemTimer } from '@featuremesh/runtime/timer';
import { expect, test } from 'vitest';
import { LogFile } from './log-file.ts';
import { readPidFiles } from './pid-file.ts';
import { SupervisedChild } from './supervised-child.ts';

const STAY = "process.on('disconnect', () => process.exit(0)); setInterval(() => 0, 1000);";
const forever = new AbortController().signal;

function child(
  code: string,
  options: { stopMs?: number; notReady?: () => Promise<string | undefined> } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'fm child '));
  const said: string[] = [];
  const logPath = join(folder, 'logs', 'part.log');
  const one = new SupervisedChild(
    {
      name: 'part',
      command: process.execPath,
      args: ['-e', code, '--', folder],
      env: process.env,
      ipc: true,
      marker: folder,
      notReady: options.notReady ?? (() => Promise.resolve(undefined)),
      stopMs: options.stopMs ?? 5_000,
    },
    {
      clock: systemClock,
      timer: systemTimer,
      log: new LogFile(logPath, 'part', systemClock),
      runFolder: join(folder, 'run'),
      tell: text => said.push(text),
    },
  );
  return { one, said, logPath, runFolder: join(folder, 'run') };
}

test('a child that dies is started again under a new pid, which its pid file names', async () => {
  const { one, said, runFolder } = child(STAY);
  await one.start();
  expect(await one.untilReady(5_000, forever)).toBeUndefined();
  const first = one.pid ?? 0;
  process.kill(first, 'SIGKILL');
  await expect.poll(() => one.pid !== undefined && one.pid !== first, { timeout: 5_000 }).toBe(true);
  expect(said).toEqual([expect.stringContaining('part ended with SIGKILL; it is started again in 250 ms')]);
  await expect.poll(() => readPidFiles(runFolder).map(record => record.pid)).toEqual([one.pid]);
  expect(await one.stop()).toBe(true);
  expect(readPidFiles(runFolder)).toEqual([]);
});

test('one that cannot start is given up after five tries, with the reason', async () => {
  const { one, logPath } = child("console.error('no such store'); process.exit(3)", {
    notReady: () => Promise.resolve('no answer'),
  });
  await one.start();
  expect(await one.untilReady(20_000, forever)).toMatch(/part ended with status 3, 5 times/);
  expect(one.state.phase).toBe('failed');
  expect(readFileSync(logPath, 'utf8')).toContain('no such store');
});

test('one that ignores SIGTERM is killed after its time', async () => {
  const { one, said } = child(`process.on('SIGTERM', () => 0); process.send('deaf'); ${STAY}`, {
    stopMs: 300,
  });
  await one.start();
  const pid = one.pid ?? 0;
  await new Promise(resolve => setTimeout(resolve, 500));
  expect(await one.stop()).toBe(false);
  expect(isAlive({ pid })).toBe(false);
  expect(said).toEqual(['part did not stop within 300 ms and was killed']);
});

test('a program that does not exist is named', async () => {
  const { one } = child('');
  const missing = new SupervisedChild(
    { ...one.spec, command: '/nowhere/nats-server' },
    {
      clock: systemClock,
      timer: systemTimer,
      log: new LogFile(join(mkdtempSync(join(tmpdir(), 'fm-')), 'x.log'), 'x', systemClock),
      runFolder: mkdtempSync(join(tmpdir(), 'fm-')),
      tell: () => undefined,
    },
  );
  await missing.start();
  expect(await missing.untilReady(10_000, forever)).toContain('could not be run');
});
