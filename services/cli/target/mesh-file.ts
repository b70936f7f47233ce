import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** Name of the file in the data folder that says where a ready mesh listens. */
export const MESH_FILE = 'mesh.json';

const meshRegionSchema = z.object({
  id: z.string(),
  url: z.url(),
  graphqlUrl: z.url(),
  gatewayUrl: z.url(),
  metricsUrl: z.url(),
  pids: z.record(z.string(), z.int()),
  dataDir: z.string(),
});

const meshFileSchema = z.object({
  version: z.literal(1),
  profile: z.string(),
  regions: z.array(meshRegionSchema).min(1),
  startedAt: z.string(),
  /** Where delays lie between the regions: the proxy's process and where it is controlled (`npm run wan`). */
  wan: z.object({ controlUrl: z.url(), pid: z.int().exactOptional() }).exactOptional(),
});

/** Where a ready local mesh listens; written when everything is ready, removed at a clean stop. */
export type MeshFile = z.infer<typeof meshFileSchema>;

/** Reads `<dataDir>/mesh.json`; undefined where there is none or it is not whole. */
export function readMeshFile(dataDir: string): MeshFile | undefined {
  try {
    const parsed = meshFileSchema.safeParse(JSON.parse(readFileSync(join(dataDir, MESH_FILE), 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
