import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePortBase } from '@featuremesh/cli/testing/fmesh-process';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { changeWan, showWan } from './wan-control.ts';
import type { WanConfig } from './wan-path.ts';

const folder = mkdtempSync(join(tmpdir(), 'fm-wan-'));
let child: ChildProcess | undefined;
let control = '';

beforeAll(async () => {
  const base = await freePortBase();
  const at = (offset: number) => ({ host: '127.0.0.1', port: base + offset });
  const conditions = { delayMs: 37.5, jitterMs: 0, bytesPerSecond: null };
  const config: WanConfig = {
    control: at(0),
    paths: [
      { from: 'east', to: 'west', service: 'link', listen: at(1), target: at(8), conditions },
      { from: 'west', to: 'east', service: 'http', listen: at(2), target: at(9), conditions },
    ],
  };
  const path = join(folder, 'paths.json');
  writeFileSync(path, JSON.stringify(config));
  control = `http://127.0.0.1:${base}`;
  const program = fileURLToPath(new URL('main.ts', import.meta.url));
  child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, '--config', path], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await vi.waitFor(async () => expect((await fetch(`${control}/health/ready`)).status).toBe(200), {
    timeout: 20_000,
  });
});

afterAll(() => {
  child?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** What a page in a browser could send: no JSON content type, or a host name that was made to lead here. */
function raw(headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const call = request(`${control}/v1/change`, { method: 'POST', headers }, answer => {
      answer.resume();
      resolve(answer.statusCode);
    });
    call.once('error', reject);
    call.end(JSON.stringify({ action: 'cut', which: {} }));
  });
}

test('paths are shown and changed over HTTP, and what does not fit is refused with its code', async () => {
  expect((await showWan(control)).map(path => [path.from, path.fault, path.delayMs])).toEqual([
    ['east', 'none', 37.5],
    ['west', 'none', 37.5],
  ]);
  const which = { regions: ['east', 'west'], from: 'east' };
  const cut = await changeWan(control, { action: 'cut', which });
  expect(cut.map(path => path.fault)).toEqual(['cut', 'none']);
  const slow = await changeWan(control, {
    action: 'set',
    which: {},
    conditions: { delayMs: 5, bytesPerSecond: 1_000 },
  });
  expect(slow.map(path => [path.delayMs, path.jitterMs, path.bytesPerSecond])).toEqual([
    [5, 0, 1_000],
    [5, 0, 1_000],
  ]);
  await changeWan(control, { action: 'black-hole', which: { service: 'http' } });
  expect((await changeWan(control, { action: 'heal', which })).map(path => path.fault)).toEqual([
    'none',
    'black-hole',
  ]);
  await expect(changeWan(control, { action: 'cut', which: { regions: ['mars'] } })).rejects.toThrow(
    /INVALID_REQUEST: no path fits .*the regions are east, west/,
  );
  await expect(changeWan(control, { action: 'set', which: {}, conditions: { delayMs: -1 } })).rejects.toThrow(
    /INVALID_REQUEST/,
  );
  await expect(showWan('http://127.0.0.1:1')).rejects.toThrow(/REGION_UNAVAILABLE/);
});

test('a page in a browser cannot cut links', async () => {
  expect(await raw({ 'content-type': 'text/plain' })).toBe(415);
  expect(await raw({ 'content-type': 'application/json', host: 'evil.example' })).toBe(403);
  expect((await showWan(control)).some(path => path.fault === 'cut')).toBe(false);
});

test('it ends when the program that started it is gone', async () => {
  if (child === undefined) throw new Error('not started');
  const ended = once(child, 'exit');
  child.disconnect();
  expect((await ended)[0]).toBe(0);
});
