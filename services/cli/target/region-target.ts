import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { loadRegionConfig } from '@featuremesh/runtime/config-loader';
import type { CommandRun } from '../command-frame.ts';
import { textOption } from '../command-frame.ts';
import { JsonClient } from '../http/json-client.ts';
import { findDataFolder } from './data-folder.ts';
import { type MeshFile, readMeshFile } from './mesh-file.ts';

/** Where a command speaks to. `id` is unknown where only a URL was given; then both addresses are that URL. */
export interface RegionTarget {
  readonly id: string | undefined;
  readonly url: string;
  readonly gatewayUrl: string;
}

/** The data folder that a command means. */
export function dataFolder(run: CommandRun): string {
  return findDataFolder({ given: textOption(run, 'dataDir'), env: run.world.env, cwd: run.world.cwd });
}

/** All regions of the running local mesh; undefined where none runs from this data folder. */
export function runningMesh(run: CommandRun): MeshFile | undefined {
  return readMeshFile(dataFolder(run));
}

/** The region of `--region` (URL, region.yaml, id), else `preferred`, else the first of the mesh. INVALID_REQUEST says what is missing. */
export function regionTarget(run: CommandRun, preferred?: string): RegionTarget {
  const asked = textOption(run, 'region') ?? run.world.env['FEATUREMESH_REGION'];
  if (asked !== undefined && /^https?:\/\//.test(asked))
    return { id: undefined, url: asked, gatewayUrl: asked };
  if (asked !== undefined && /\.ya?ml$/.test(asked)) return fromConfig(resolve(run.world.cwd, asked));
  const folder = dataFolder(run);
  const mesh = readMeshFile(folder);
  const wanted = asked ?? preferred;
  const listed = wanted === undefined ? mesh?.regions[0] : mesh?.regions.find(region => region.id === wanted);
  if (listed !== undefined) return listed;
  if (wanted !== undefined) {
    const config = join(folder, 'regions', wanted, 'region.yaml');
    if (existsSync(config)) return fromConfig(config);
  }
  throw new ProblemError(missing(asked, wanted, folder, mesh));
}

/** A client of the region service that a command means. */
export function regionClient(
  run: CommandRun,
  preferred?: string,
): { target: RegionTarget; client: JsonClient } {
  const target = regionTarget(run, preferred);
  return { target, client: new JsonClient(target.url, token(run)) };
}

/** The bearer token of the environment, where authentication is configured. */
export function token(run: CommandRun): string | undefined {
  const value = run.world.env['FEATUREMESH_TOKEN'];
  return value === '' ? undefined : value;
}

function fromConfig(path: string): RegionTarget {
  const config = loadRegionConfig(path);
  return { id: config.id, url: config.publicUrl, gatewayUrl: config.publicGatewayUrl };
}

function missing(
  asked: string | undefined,
  wanted: string | undefined,
  folder: string,
  mesh: MeshFile | undefined,
) {
  if (mesh !== undefined) {
    return problem(
      'INVALID_REQUEST',
      `no region ${wanted ?? ''} in the mesh of ${folder}; it has ${mesh.regions.map(region => region.id).join(', ')}`,
    );
  }
  const detail =
    asked === undefined
      ? `no mesh runs from ${folder}; start one with \`npm start\`, or name a region with --region URL`
      : `--region ${asked}: no mesh runs from ${folder} that could know it; start one with \`npm start\`, or give a URL`;
  return problem('REGION_UNAVAILABLE', detail);
}
