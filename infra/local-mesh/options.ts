import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { MeshProfile } from './profile.ts';
import { DEMO_REGION_COUNT } from './region-names.ts';
import { MESH_PORT_SPAN } from './wan-plan.ts';

/** What `npm start` was told; every option also as an environment variable `FEATUREMESH_…`. */
export interface MeshOptions {
  readonly regions: number;
  readonly dataDir: string;
  /** Undefined where none was given: a mesh that exists keeps its ports. */
  readonly portBase: number | undefined;
  readonly demo: boolean;
  readonly demoRows: number;
  /** Whether delays lie between the regions, as between real ones. */
  readonly wan: 'demo' | 'off';
  /** What the regions keep rows in; undefined where none was given: a mesh that exists keeps its stores, a new one is embedded. */
  readonly profile: MeshProfile | undefined;
  readonly fresh: boolean;
  readonly help: boolean;
}

/** First port of the first region where none is given. */
export const DEFAULT_MESH_PORT_BASE = 7_400;
/** Regions that a machine of a developer carries; names and jurisdictions are listed in region-names. */
const MAX_LOCAL_REGIONS = 10;
/** Flights of the demo: half a million of the three million. */
const DEFAULT_DEMO_ROWS = 500_000;
const MAX_DEMO_ROWS = 2_900_000;
/** The mesh is ready when this many flights are readable, so fewer make no demo. */
const MIN_DEMO_ROWS = 20_000;

/** The text of `npm start -- --help`. */
export const MESH_HELP = `npm start: a mesh of regions on this machine, with demo data

  --regions N         regions, 1 to ${MAX_LOCAL_REGIONS} (3; the demo needs at least 3)   FEATUREMESH_REGIONS
  --data-dir DIR      where everything is kept (.featuremesh)       FEATUREMESH_DATA_DIR
  --port-base N       first port; each region takes ten (7400)      FEATUREMESH_PORT_BASE
  --no-demo           no demo data                                  FEATUREMESH_NO_DEMO=1
  --demo-rows N       flights to load (${DEFAULT_DEMO_ROWS})                        FEATUREMESH_DEMO_ROWS
  --fresh             remove what an earlier start left             FEATUREMESH_FRESH=1
  --profile P         embedded: LMDB (default); full: a Cassandra
                      cluster and an S3 server per region, with
                      Java 17 and about 2.5 GB a region             FEATUREMESH_PROFILE
  --wan demo|off      demo: round trips of 65, 75 and 140 ms between the
                      regions, for links and gateways; off: none    FEATUREMESH_WAN
                      (demo with demo data, else off)

Stop with Ctrl-C; data is kept for the next start. Cut and delay the network while it runs: npm run wan -- --help`;

/** Reads arguments and environment, the arguments winning. INVALID_REQUEST or NOT_YET_SUPPORTED name the option. */
export function parseMeshOptions(args: readonly string[], env: NodeJS.ProcessEnv, cwd: string): MeshOptions {
  const given = readArguments(args);
  const text = (name: string): string | undefined => {
    const value = given[name] ?? env[`FEATUREMESH_${name.toUpperCase().replaceAll('-', '_')}`];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const flag = (name: string): boolean => given[name] === true || /^(1|true|yes)$/i.test(text(name) ?? '');
  const regions = number(text('regions'), '--regions', 1, MAX_LOCAL_REGIONS) ?? 3;
  const demo = !flag('no-demo');
  return {
    regions,
    dataDir: resolve(cwd, text('data-dir') ?? '.featuremesh'),
    portBase: number(text('port-base'), '--port-base', 1_024, 65_535 - MESH_PORT_SPAN),
    demo,
    demoRows: number(text('demo-rows'), '--demo-rows', MIN_DEMO_ROWS, MAX_DEMO_ROWS) ?? DEFAULT_DEMO_ROWS,
    wan: wanMode(text('wan') ?? (demo && regions >= DEMO_REGION_COUNT ? 'demo' : 'off')),
    profile: profile(text('profile')),
    fresh: flag('fresh'),
    help: given['help'] === true,
  };
}

function readArguments(args: readonly string[]): Readonly<Record<string, string | boolean | undefined>> {
  const value = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        regions: value,
        profile: value,
        'data-dir': value,
        'port-base': value,
        wan: value,
        'no-demo': flag,
        'demo-rows': value,
        fresh: flag,
        help: flag,
      },
    }).values;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : '';
    throw new ProblemError(problem('INVALID_REQUEST', `${reason}; see npm start -- --help`), {
      cause: error,
    });
  }
}

function number(text: string | undefined, option: string, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new ProblemError(
    problem('INVALID_REQUEST', `${option} must be a whole number from ${min} to ${max}`),
  );
}

function wanMode(value: string): MeshOptions['wan'] {
  if (value === 'demo' || value === 'off') return value;
  throw new ProblemError(problem('INVALID_REQUEST', '--wan is demo or off'));
}

function profile(value: string | undefined): MeshProfile | undefined {
  if (value === undefined || value === 'embedded' || value === 'full') return value;
  throw new ProblemError(problem('INVALID_REQUEST', '--profile is embedded or full'));
}
