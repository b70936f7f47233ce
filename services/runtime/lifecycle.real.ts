import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const CHILD = fileURLToPath(new URL('./testing/lifecycle-child.ts', import.meta.url));

/** A started child with its pid and what it writes; its log ends when every process that shares it has ended. */
async function start(
  ...options: string[]
): Promise<{ child: ChildProcess; pid: number; log: Promise<string> }> {
  const child = fork(CHILD, options, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] });
  const chunks: string[] = [];
  const log = new Promise<string>(resolve => {
    child.stderr?.on('data', chunk => chunks.push(String(chunk)));
    child.stderr?.on('end', () => resolve(chunks.join('')));
  });
  const [pid] = await once(child, 'message');
  return { child, pid: Number(pid), log };
}

it('a real process drains and exits with 0 on SIGTERM', async () => {
  const { child, log } = await start();
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(await log).toContain('work stopped');
});

it('a real process drains and exits when its supervisor lets go of it', async () => {
  const { child, log } = await start();
  child.disconnect();
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(await log).toContain('supervisor gone');
});

it('no process is left when the supervisor is killed', async () => {
  const { child, pid, log } = await start('--below');
  expect(pid).not.toBe(child.pid);
  child.kill('SIGKILL');
  // The pipe closes when the grandchild, which inherited it, has ended.
  expect(await log).toContain('work stopped');
});
