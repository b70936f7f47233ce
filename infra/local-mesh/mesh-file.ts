import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { MESH_FILE, type MeshFile } from '@featuremesh/cli/target/mesh-file';
import { writeFileAtomic } from '@featuremesh/runtime/atomic-file';
import type { PreparedRegion } from './prepare-regions.ts';
import type { MeshProfile } from './profile.ts';

/** The body of mesh.json for these regions; `pids` come from their supervisors. */
export function meshFileOf(
  regions: readonly (Pick<PreparedRegion, 'config'> & { readonly pids: Readonly<Record<string, number>> })[],
  startedAt: string,
  {
    profile,
    wan,
  }: {
    readonly profile: MeshProfile;
    readonly wan: { readonly controlUrl: string; readonly pid: number | undefined } | undefined;
  },
): MeshFile {
  return {
    version: 1,
    profile,
    startedAt,
    ...(wan === undefined
      ? {}
      : { wan: { controlUrl: wan.controlUrl, ...(wan.pid === undefined ? {} : { pid: wan.pid }) } }),
    regions: regions.map(({ config, pids }) => ({
      id: config.id,
      url: config.publicUrl,
      graphqlUrl: `${config.publicGatewayUrl}/graphql`,
      gatewayUrl: config.publicGatewayUrl,
      metricsUrl: `${config.publicUrl}/metrics`,
      pids: { ...pids },
      dataDir: config.dataDir,
    })),
  };
}

/** Writes a mesh file in one step; `path` defaults to `<dataDir>/mesh.json`, which says that the mesh is ready. */
export async function writeMeshFile(dataDir: string, mesh: MeshFile, name = MESH_FILE): Promise<string> {
  const path = join(dataDir, name);
  await writeFileAtomic(path, `${JSON.stringify(mesh, undefined, 2)}\n`);
  return path;
}

/** Removes mesh.json: the mesh is not, or no longer, ready. */
export function removeMeshFile(dataDir: string, name = MESH_FILE): void {
  rmSync(join(dataDir, name), { force: true });
}
