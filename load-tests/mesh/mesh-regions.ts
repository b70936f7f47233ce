import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const meshSchema = z.object({
  profile: z.string().default('embedded'),
  startedAt: z.string().exactOptional(),
  regions: z
    .array(
      z.object({
        id: z.string(),
        url: z.url(),
        graphqlUrl: z.url().exactOptional(),
        gatewayUrl: z.url().exactOptional(),
        pids: z.record(z.string(), z.int()).exactOptional(),
        dataDir: z.string().exactOptional(),
      }),
    )
    .min(1),
  /** The network between the regions, where there is one to cut. */
  wan: z.object({ controlUrl: z.url() }).exactOptional(),
});

/** A running mesh, as mesh.json describes it; a loader needs no more than ids and region URLs. */
export type Mesh = z.infer<typeof meshSchema>;

/** One region of a mesh. */
export type MeshRegion = Mesh['regions'][number];

/** Reads a mesh file. Throws where it is missing or not whole. */
export function readMesh(path: string): Mesh {
  return meshSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
}

/** Path of a region's region.yaml, which stands beside its data. Throws where the mesh file does not say where that is. */
export function configPathOf({ id, dataDir }: MeshRegion): string {
  if (dataDir === undefined) throw new Error(`mesh.json does not say where ${id} keeps its data`);
  return join(dirname(dataDir), 'region.yaml');
}

/** The region with this id. Throws where the mesh has none. */
export function regionOf(mesh: Mesh, id: string): MeshRegion {
  const region = mesh.regions.find(candidate => candidate.id === id);
  if (region === undefined) throw new Error(`the mesh has no region ${id}, which this workload needs`);
  return region;
}
