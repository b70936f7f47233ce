import { parseArgs } from 'node:util';
import { table } from '@featuremesh/cli/output';
import { findDataFolder } from '@featuremesh/cli/target/data-folder';
import { readMeshFile } from '@featuremesh/cli/target/mesh-file';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { WanChange } from '../wan/control-protocol.ts';
import { changeWan, showWan } from '../wan/wan-control.ts';
import type { PathConditions, PathState, WhichPaths } from '../wan/wan-path.ts';

const HELP = `npm run wan -- COMMAND [REGION [REGION]]: the network between the regions of a mesh that runs with --wan demo

  show                       every path: delay, cap, fault, connections, bytes
  cut                        connections are reset and refused
  black-hole                 bytes vanish, connections stay open: what a broken route looks like
  heal                       end cuts and black holes; delays stay
  delay                      --round-trip MS, --jitter MS, --bytes-per-second N|none; at least one

One region means every path of it, two the paths between them; cut, black-hole and delay need a region or --all.

  --from REGION              only connections that this region opens (links are opened by the region that imports)
  --service link|http        only links between brokers, or only requests of gateways
  --all                      all paths
  --json                     state as JSON
  --data-dir DIR             of the mesh (.featuremesh)

Examples:
  npm run wan -- cut us-east-1 eu-west-1
  npm run wan -- black-hole eu-west-1 --service link
  npm run wan -- delay us-east-1 us-west-2 --round-trip 300 --jitter 40
  npm run wan -- heal`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const OPTIONS = {
  'round-trip': text,
  jitter: text,
  'bytes-per-second': text,
  from: text,
  service: text,
  'data-dir': text,
  all: flag,
  json: flag,
  help: flag,
};
type Given = Readonly<Partial<Record<keyof typeof OPTIONS, string | boolean>>>;

/** What a person asked of the network between the regions; undefined where only the state is to be shown. */
export interface WanOrder {
  readonly change: WanChange | undefined;
  readonly json: boolean;
  readonly dataDir: string | undefined;
}

/** Reads the command line; `help` where that was asked for. INVALID_REQUEST names what is wrong. */
export function parseWanOrder(args: readonly string[]): WanOrder | 'help' {
  const { values, positionals } = readArguments(args);
  const [command, ...regions] = positionals;
  if (values.help === true || command === undefined) return 'help';
  if (regions.length > 2) throw refusal('two regions at most');
  const which = whichOf(values, regions);
  const isNarrow = regions.length > 0 || which.from !== undefined;
  const { 'data-dir': dataDir } = values;
  const order = { json: values.json === true, dataDir: typeof dataDir === 'string' ? dataDir : undefined };
  if (command === 'show') return { ...order, change: undefined };
  if (command === 'heal') return { ...order, change: { action: command, which } };
  if (!isNarrow && values.all !== true) throw refusal(`${command} needs a region, or --all`);
  if (command === 'cut' || command === 'black-hole') return { ...order, change: { action: command, which } };
  if (command !== 'delay') throw refusal(`${command} is not a command; see npm run wan -- --help`);
  return { ...order, change: { action: 'set', which, conditions: conditionsOf(values) } };
}

/** Does what the command line asks and returns what is to be printed. */
export async function runWanCommand(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd: string,
): Promise<string> {
  const order = parseWanOrder(args);
  if (order === 'help') return HELP;
  const folder = findDataFolder({ given: order.dataDir, env, cwd });
  const wan = readMeshFile(folder)?.wan;
  if (wan === undefined) {
    throw new ProblemError(
      problem('REGION_UNAVAILABLE', `no mesh with --wan demo runs from ${folder}; start one with npm start`),
    );
  }
  const paths =
    order.change === undefined
      ? await showWan(wan.controlUrl)
      : await changeWan(wan.controlUrl, order.change);
  return order.json ? JSON.stringify({ paths }, undefined, 2) : draw(paths);
}

function readArguments(args: readonly string[]): { values: Given; positionals: readonly string[] } {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : '';
    throw new ProblemError(problem('INVALID_REQUEST', `${reason}; see npm run wan -- --help`), {
      cause: error,
    });
  }
}

function whichOf(values: Given, regions: readonly string[]): WhichPaths {
  const { from, service } = values;
  if (service !== undefined && service !== 'link' && service !== 'http')
    throw refusal('--service is link or http');
  return {
    ...(regions.length === 0 ? {} : { regions: [...regions] }),
    ...(typeof from === 'string' ? { from } : {}),
    ...(service === undefined ? {} : { service }),
  };
}

function conditionsOf(values: Given): Partial<PathConditions> {
  const roundTripMs = number(values, 'round-trip');
  const jitterMs = number(values, 'jitter');
  const cap = values['bytes-per-second'];
  const bytesPerSecond = cap === 'none' ? null : number(values, 'bytes-per-second');
  if (roundTripMs === undefined && jitterMs === undefined && bytesPerSecond === undefined)
    throw refusal('delay needs --round-trip, --jitter or --bytes-per-second');
  return {
    ...(roundTripMs === undefined ? {} : { delayMs: roundTripMs / 2 }),
    ...(jitterMs === undefined ? {} : { jitterMs }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
  };
}

function number(values: Given, name: keyof typeof OPTIONS): number | undefined {
  const given = values[name];
  if (given === undefined) return undefined;
  const value = Number(given);
  if (given !== '' && Number.isFinite(value) && value >= 0) return value;
  throw refusal(`--${name} must be a number`);
}

function draw(paths: readonly PathState[]): string {
  const head = ['from', 'to', 'service', 'state', 'round trip', 'cap', 'connections', 'bytes there', 'back'];
  const rows = paths.map(path => [
    path.from,
    path.to,
    path.service,
    path.fault === 'none' ? 'up' : path.fault.toUpperCase(),
    `${2 * path.delayMs} ms${path.jitterMs === 0 ? '' : ` + ${path.jitterMs}`}`,
    path.bytesPerSecond === null ? '-' : `${path.bytesPerSecond} B/s`,
    String(path.connections),
    String(path.bytesThere),
    String(path.bytesBack),
  ]);
  return table(head, rows);
}

function refusal(detail: string): ProblemError {
  return new ProblemError(problem('INVALID_REQUEST', detail));
}
