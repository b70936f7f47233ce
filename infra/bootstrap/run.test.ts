import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { repositoryRoot } from '../repo-rules/source-files.ts';

const scratchFolders: string[] = [];

/** A copy of the bootstrap in a folder whose path has a space, with the given lock file and no dependencies. */
function scratchCheckout(): string {
  const root = join(mkdtempSync(join(tmpdir(), 'featuremesh bootstrap ')), 'a checkout');
  scratchFolders.push(root);
  mkdirSync(root, { recursive: true });
  cpSync(join(repositoryRoot, 'infra/bootstrap'), join(root, 'infra/bootstrap'), { recursive: true });
  writeFileSync(join(root, 'package.json'), '{"type": "module", "name": "scratch", "version": "1.0.0"}');
  writeFileSync(
    join(root, 'package-lock.json'),
    '{"name":"scratch","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{"":{"name":"scratch","version":"1.0.0"}}}',
  );
  return root;
}

afterEach(() => {
  for (const folder of scratchFolders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

test('runs a program in a path with spaces, passes arguments on and hands its exit status back', () => {
  const root = scratchCheckout();
  writeFileSync(
    join(root, 'program.ts'),
    "const n: number = Number(process.argv[2]); console.log('got ' + process.argv[3]); process.exit(n);",
  );
  const run = spawnSync(
    process.execPath,
    [join(root, 'infra/bootstrap/run.js'), 'program.ts', '7', 'two words'],
    { encoding: 'utf8' },
  );
  expect(run.stdout).toContain('got two words');
  expect(run.status).toBe(7);
  const again = spawnSync(process.execPath, [join(root, 'infra/bootstrap/run.js'), 'program.ts', '0', 'x'], {
    encoding: 'utf8',
  });
  expect(again.stderr).not.toContain('Installing');
});

test('names npm and the remedy where npm is missing', () => {
  const root = scratchCheckout();
  const emptyPath = join(root, 'bin');
  mkdirSync(emptyPath);
  symlinkSync(process.execPath, join(emptyPath, 'node'));
  const run = spawnSync(process.execPath, [join(root, 'infra/bootstrap/run.js'), 'program.ts'], {
    encoding: 'utf8',
    env: { ...process.env, PATH: '/nonexistent' },
  });
  expect(run.status).toBe(69);
  expect(run.stderr).toMatch(/npm could not be run.*\n\s+What to do: install npm/);
});

test('a program learns through its channel that the bootstrap was killed', async () => {
  const root = scratchCheckout();
  writeFileSync(
    join(root, 'program.ts'),
    "import { writeFileSync } from 'node:fs'; process.on('disconnect', () => { writeFileSync('gone', 'yes'); process.exit(0); }); console.log('up'); setInterval(() => {}, 1000);",
  );
  const bootstrap = spawn(process.execPath, [join(root, 'infra/bootstrap/run.js'), 'program.ts'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>(resolve => bootstrap.stdout.on('data', () => resolve()));
  bootstrap.kill('SIGKILL');
  const { existsSync } = await import('node:fs');
  await expect.poll(() => existsSync(join(root, 'gone')), { timeout: 5_000 }).toBe(true);
});
