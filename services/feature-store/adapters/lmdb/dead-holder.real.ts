import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { LmdbOnlineStore } from './lmdb-online-store.ts';

const HOLDER = fileURLToPath(new URL('./testing/hold-lease.ts', import.meta.url));

test('a lease of a process that was killed is free at once, one of a process that stands still is not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fm-lease-'));
  const path = join(folder, 'online');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', HOLDER, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const store = LmdbOnlineStore.open({ path, maxTables: 4 });
  const take = () => {
    const nowMs = Date.now();
    return store.acquireLease({ name: 'slot.0', holder: 'test', nowMs, untilMs: nowMs + 5_000 });
  };
  try {
    expect(String((await once(child.stdout, 'data'))[0])).toBe('epoch 1\n');
    expect(await take()).toBeUndefined();
    child.kill('SIGSTOP');
    expect(await take()).toBeUndefined();
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    expect(await take()).toEqual({ name: 'slot.0', epoch: 2, wasCutShort: true });
  } finally {
    child.kill('SIGKILL');
    await store.close();
    rmSync(folder, { recursive: true });
  }
}, 30_000);
