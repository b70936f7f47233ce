import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../bootstrap/cache-folder.js';
import jars from './cassandra-jars.json' with { type: 'json' };
import { ComponentMissing } from './component-missing.ts';
import {
  copyWithMaven,
  downloadFiles,
  type MavenFile,
  mavenFile,
  mavenFileName,
  mavenRepository,
  POM_NAME,
  wrongFiles,
} from './maven-repository.ts';

/** The Cassandra this product is tested with. */
const CASSANDRA_VERSION = '5.0.8';
const REMEDY =
  'install Maven (Debian: apt-get install maven) and let it reach its repository, or name an https address that serves Maven Central’s files in FEATUREMESH_MAVEN_REPOSITORY, or a folder that holds the jars in FEATUREMESH_CASSANDRA_JARS';

const FILES: readonly MavenFile[] = Object.entries(jars).map(([name, sha256]) => mavenFile(name, sha256));

/** Where the jars are, in the order of the list. */
export interface CassandraJars {
  readonly classPath: readonly string[];
  /** The agent that measures objects; Cassandra does not start without it. */
  readonly jamm: string;
}

/**
 * The jars of Cassandra: `FEATUREMESH_CASSANDRA_JARS`, else the user's cache, else obtained once (100 files, 67 MB, checksums verified)
 * by HTTPS from the configured repository, or by Maven where that does not serve. Throws ComponentMissing with the remedy.
 */
export async function locateCassandra(
  announce: (text: string) => void = () => undefined,
): Promise<CassandraJars> {
  const named = process.env['FEATUREMESH_CASSANDRA_JARS'];
  if (named !== undefined && named !== '') {
    const wrong = await wrongFiles(FILES, named);
    if (wrong.length === 0) return jarsIn(named);
    throw missing(
      `FEATUREMESH_CASSANDRA_JARS lacks ${wrong.length} of the listed files, or they differ: ${wrong.slice(0, 3).join(', ')}`,
    );
  }
  // A changed list is another folder, so that what is cached is always what the list says.
  const digest = createHash('sha256').update(JSON.stringify(jars)).digest('hex').slice(0, 12);
  const cached = join(cacheFolder(), `cassandra-${CASSANDRA_VERSION}-${digest}`);
  if (await isFolder(cached)) return jarsIn(cached);
  announce(`Obtaining Cassandra ${CASSANDRA_VERSION} (${FILES.length} files, 67 MB, once)`);
  await obtain(cached);
  return jarsIn(cached);
}

function jarsIn(folder: string): CassandraJars {
  const jamm = FILES.find(({ artifact }) => artifact === 'jamm');
  if (jamm === undefined) throw new Error('the list of jars has no jamm');
  return {
    classPath: FILES.map(file => join(folder, mavenFileName(file))),
    jamm: join(folder, mavenFileName(jamm)),
  };
}

async function obtain(target: string): Promise<void> {
  await mkdir(cacheFolder(), { recursive: true });
  const scratch = await mkdtemp(join(cacheFolder(), 'obtain-'));
  try {
    const repository = await mavenRepository();
    const refused =
      repository === undefined
        ? 'no repository is configured'
        : await downloadFiles(repository, FILES, scratch).then(() => undefined, reasonOf);
    if (refused !== undefined) await copy(scratch, refused);
    await rename(scratch, target).catch(async (error: unknown) => {
      // Another process obtained the same files meanwhile.
      if (!(await isFolder(target))) throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function copy(scratch: string, refused: string): Promise<void> {
  try {
    await copyWithMaven(FILES, scratch);
  } catch (error) {
    throw missing(`${refused}, and mvn could not copy the jars: ${reasonOf(error)}`, error);
  }
  await rm(join(scratch, POM_NAME));
  const wrong = await wrongFiles(FILES, scratch);
  if (wrong.length > 0)
    throw missing(`mvn copied files that are not as listed: ${wrong.slice(0, 3).join(', ')}`);
}

function missing(what: string, cause?: unknown): ComponentMissing {
  return new ComponentMissing('cassandra', what, REMEDY, { cause });
}

function reasonOf(error: unknown): string {
  return error instanceof Error
    ? (error.message.split('\n').find(line => line.trim() !== '') ?? '')
    : String(error);
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    found => found.isDirectory(),
    () => false,
  );
}
