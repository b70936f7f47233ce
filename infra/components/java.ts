import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { ComponentMissing } from './component-missing.ts';

const run = promisify(execFile);

/** The Java that Cassandra 5.0 is tested with; it does not run on newer ones. */
const JAVA_MAJOR = 17;
const REMEDY = `install Java ${JAVA_MAJOR} (Debian: apt-get install openjdk-${JAVA_MAJOR}-jre-headless) and, where several are installed, name its folder in JAVA_HOME`;

/** Path of a Java 17: `JAVA_HOME`, else the PATH. Throws ComponentMissing with the remedy where there is none or it is another. */
export async function locateJava(): Promise<string> {
  const home = process.env['JAVA_HOME'];
  const candidates =
    home !== undefined && home !== ''
      ? [join(home, 'bin', 'java')]
      : (process.env['PATH'] ?? '').split(delimiter).map(folder => join(folder, 'java'));
  let found: string | undefined;
  for (const java of candidates) {
    if (!(await isFile(java))) continue;
    const major = await majorOf(java);
    if (major === JAVA_MAJOR) return java;
    found ??= `${java} is Java ${major ?? 'of an unknown version'}`;
  }
  const where = home !== undefined && home !== '' ? 'JAVA_HOME names no Java' : 'there is none on the PATH';
  throw new ComponentMissing('java', found ?? where, REMEDY);
}

/** `java -version` writes to standard error: `openjdk version "17.0.15" …`; before 9 it was `"1.8.0_…"`. */
async function majorOf(java: string): Promise<number | undefined> {
  try {
    const { stderr } = await run(java, ['-version'], { timeout: 20_000 });
    const match = /version "(\d+)(?:\.(\d+))?/.exec(stderr);
    if (match === null) return undefined;
    return match[1] === '1' ? Number(match[2]) : Number(match[1]);
  } catch {
    return undefined;
  }
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    found => found.isFile(),
    () => false,
  );
}
