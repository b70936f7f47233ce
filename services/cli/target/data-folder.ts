import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the local mesh where nothing else was said. */
const DATA_FOLDER = '.featuremesh';

/** The repository or installation that this program belongs to. */
export const installationRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** The data folder: the option, else `FEATUREMESH_DATA_DIR`, else `.featuremesh` here or above, else in the installation. */
export function findDataFolder(options: {
  given: string | undefined;
  env: NodeJS.ProcessEnv;
  cwd: string;
}): string {
  const named = options.given ?? options.env['FEATUREMESH_DATA_DIR'];
  if (named !== undefined && named !== '') return resolve(options.cwd, named);
  for (let folder = options.cwd; ; folder = dirname(folder)) {
    if (existsSync(join(folder, DATA_FOLDER))) return join(folder, DATA_FOLDER);
    if (dirname(folder) === folder) return join(installationRoot, DATA_FOLDER);
  }
}
