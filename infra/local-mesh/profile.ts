import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { loadRegionConfig } from '@featuremesh/runtime/config-loader';

/** What a mesh keeps its rows in: `embedded` is LMDB, `full` a Cassandra cluster and an S3 server per region. */
export type MeshProfile = 'embedded' | 'full';

/** The profile that the regions in a data folder were made with; undefined where there are none. */
export function existingProfile(dataDir: string): MeshProfile | undefined {
  const regions = join(dataDir, 'regions');
  const id = existsSync(regions)
    ? readdirSync(regions).find(name => existsSync(join(regions, name, 'region.yaml')))
    : undefined;
  if (id === undefined) return undefined;
  return loadRegionConfig(join(regions, id, 'region.yaml')).store.type === 'lmdb' ? 'embedded' : 'full';
}

/** A mesh keeps its profile, since rows do not move from one store into another; INVALID_REQUEST where another is asked for. */
export function chooseProfile(
  asked: MeshProfile | undefined,
  existing: MeshProfile | undefined,
  dataDir: string,
): MeshProfile {
  if (asked === undefined || existing === undefined || asked === existing)
    return asked ?? existing ?? 'embedded';
  throw new ProblemError(
    problem(
      'INVALID_REQUEST',
      `the mesh in ${dataDir} has --profile ${existing}; rows do not move to ${asked} by themselves. Leave --profile out, ` +
        'give another --data-dir, or begin anew with --fresh',
    ),
  );
}
