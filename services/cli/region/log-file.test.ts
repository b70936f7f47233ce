import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LogFile } from './log-file.ts';

const clock = { nowMs: () => 0, nowUs: () => 0n };

function lines(path: string): unknown[] {
  return readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as unknown);
}

test('JSON lines pass unchanged; other lines are wrapped; a line in two pieces is one', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'fm-log-')), 'logs', 'nats.log');
  const log = new LogFile(path, 'nats', clock);
  log.write('{"level":"info"}\n[1] server ');
  log.write('ready\n\nno end');
  log.note('ended');
  log.close();
  log.write('too late\n');
  expect(lines(path)).toEqual([
    { level: 'info' },
    { time: '1970-01-01T00:00:00.000Z', component: 'nats', text: '[1] server ready' },
    { time: '1970-01-01T00:00:00.000Z', component: 'supervisor', text: 'ended' },
    { time: '1970-01-01T00:00:00.000Z', component: 'nats', text: 'no end' },
  ]);
});

test('files are bounded in size and number, and whole lines survive rotation', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fm-log-'));
  const log = new LogFile(join(folder, 'sync.log'), 'sync', clock, 2_000);
  for (let number = 0; number < 500; number += 1) log.write(`{"number":${number}}\n`);
  log.close();
  const files = readdirSync(folder).sort();
  expect(files).toEqual(['sync.log', 'sync.log.1', 'sync.log.2', 'sync.log.3']);
  for (const file of files) expect(statSync(join(folder, file)).size).toBeLessThanOrEqual(2_000);
  expect(lines(join(folder, 'sync.log')).at(-1)).toEqual({ number: 499 });
});
