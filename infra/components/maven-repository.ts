import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Files asked for at once: enough to hide the round trips, few enough for a small mirror. */
const MAX_DOWNLOADS = 6;
/** Tries of one file; a registry that fails three times in a row is down. */
const MAX_TRIES = 3;
/** Longest wait for one file of at most a few megabytes. */
const FILE_TIMEOUT_MS = 60_000;
/** Longest run of Maven, which also fetches its own plug-ins the first time. */
const MAVEN_TIMEOUT_MS = 300_000;

/** What `copyWithMaven` leaves in the folder beside the files. */
export const POM_NAME = 'pom.xml';

/** One file of a Maven repository, by its coordinates and the checksum that it must have. */
export interface MavenFile {
  readonly group: string;
  readonly artifact: string;
  readonly version: string;
  readonly classifier?: string;
  readonly sha256: string;
}

/** Parses `group:artifact:version[:classifier]`. Throws where it is none: the lists are part of the product. */
export function mavenFile(coordinates: string, sha256: string): MavenFile {
  const [group, artifact, version, classifier, ...rest] = coordinates.split(':');
  if (group === undefined || artifact === undefined || version === undefined || rest.length > 0)
    throw new Error(`no Maven coordinates: ${coordinates}`);
  return { group, artifact, version, sha256, ...(classifier === undefined ? {} : { classifier }) };
}

/** The name that a file has in a repository and in a folder of jars. */
export function mavenFileName({ artifact, version, classifier }: MavenFile): string {
  return `${artifact}-${version}${classifier === undefined ? '' : `-${classifier}`}.jar`;
}

/**
 * Address of the repository that files are asked for by plain HTTPS: `FEATUREMESH_MAVEN_REPOSITORY`, else the mirror of `central` in
 * the user's Maven settings. Undefined where neither names one: then only Maven itself knows where to ask.
 */
export async function mavenRepository(
  settingsPath = join(homedir(), '.m2', 'settings.xml'),
): Promise<string | undefined> {
  const named = process.env['FEATUREMESH_MAVEN_REPOSITORY'];
  if (named !== undefined && named !== '') return named.replace(/\/+$/, '');
  const settings = await readFile(settingsPath, 'utf8').catch(() => '');
  for (const [, mirror = ''] of settings
    .replace(/<!--[\s\S]*?-->/g, '')
    .matchAll(/<mirror>([\s\S]*?)<\/mirror>/g)) {
    const url = elementOf(mirror, 'url');
    if (
      url !== undefined &&
      mirrorsCentral(elementOf(mirror, 'mirrorOf') ?? '') &&
      elementOf(mirror, 'blocked') !== 'true'
    )
      return url.replace(/\/+$/, '');
  }
  return undefined;
}

function mirrorsCentral(mirrorOf: string): boolean {
  const names = mirrorOf.split(',').map(name => name.trim());
  if (names.includes('!central')) return false;
  return names.some(name => name === 'central' || name === '*' || name === 'external:*');
}

function elementOf(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>\\s*([^<]*?)\\s*</${name}>`).exec(xml)?.[1];
}

/** Downloads files into `folder`, each verified. Rejects with the first file that the repository does not serve as listed. */
export async function downloadFiles(
  repository: string,
  files: readonly MavenFile[],
  folder: string,
): Promise<void> {
  const waiting = [...files];
  const worker = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift())
      await downloadOne(repository, file, folder);
  };
  await Promise.all(Array.from({ length: MAX_DOWNLOADS }, worker));
}

async function downloadOne(repository: string, file: MavenFile, folder: string): Promise<void> {
  const { group, artifact, version } = file;
  const name = mavenFileName(file);
  const url = `${repository}/${group.replaceAll('.', '/')}/${artifact}/${version}/${name}`;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(FILE_TIMEOUT_MS) });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      if (sha256(bytes) !== file.sha256) throw new Error('unexpected checksum');
      await writeFile(join(folder, name), bytes);
      return;
    } catch (error) {
      if (attempt >= MAX_TRIES) {
        const why = error instanceof Error ? error.message : String(error);
        throw new Error(`${name} is not served by the configured repository (${why})`, { cause: error });
      }
    }
  }
}

/** Lets Maven, with its own configuration, copy exactly these files into `folder`; checksums are the caller's to verify. */
export async function copyWithMaven(files: readonly MavenFile[], folder: string): Promise<void> {
  const pom = join(folder, POM_NAME);
  await writeFile(pom, pomOf(files));
  await run(
    'mvn',
    [
      '-B',
      '-q',
      '-f',
      pom,
      'dependency:copy-dependencies',
      '-DincludeScope=runtime',
      `-DoutputDirectory=${folder}`,
    ],
    {
      timeout: MAVEN_TIMEOUT_MS,
      maxBuffer: 16 * 1024 * 1024,
    },
  );
}

/** Every file is named itself, with nothing that hangs on it, so that Maven has nothing to decide. */
function pomOf(files: readonly MavenFile[]): string {
  const dependencies = files.map(
    ({ group, artifact, version, classifier }) =>
      `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>` +
      `${classifier === undefined ? '' : `<classifier>${classifier}</classifier>`}` +
      '<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>',
  );
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>',
    '<groupId>featuremesh</groupId><artifactId>jars</artifactId><version>1</version><dependencies>',
    ...dependencies,
    '</dependencies></project>',
  ].join('\n');
}

/** Names of the files that are missing in `folder` or have another checksum than listed. */
export async function wrongFiles(files: readonly MavenFile[], folder: string): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const file of files) {
    const name = mavenFileName(file);
    const bytes = await readFile(join(folder, name)).catch(() => undefined);
    if (bytes === undefined || sha256(bytes) !== file.sha256) wrong.push(name);
  }
  return wrong;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
