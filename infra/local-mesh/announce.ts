import { relative } from 'node:path';
import type { MeshFile } from '@featuremesh/cli/target/mesh-file';
import { demoCommands, quote } from './demo-commands.ts';
import type { PreparedRegion } from './prepare-regions.ts';
import type { ReplicaReads } from './replica-reads.ts';
import { demoRoundTripMs } from './round-trips.ts';

/** What a start prints at its end: addresses, what the reader should know, and commands to copy. */
export function readyText(
  mesh: MeshFile,
  options: {
    seconds: number;
    dataDir: string;
    defaultDataDir: boolean;
    cwd: string;
    demo: boolean;
    reads: string | undefined;
  },
): string {
  const width = Math.max(...mesh.regions.map(region => region.id.length));
  const urls = mesh.regions.map(
    region =>
      `  ${region.id.padEnd(width)}  region ${region.url}  gateway ${region.gatewayUrl}  GraphQL ${region.graphqlUrl}`,
  );
  const shown = relative(options.cwd, options.dataDir);
  const dataDir = shown === '' || shown.startsWith('..') ? options.dataDir : shown;
  const commands = options.demo
    ? demoCommands(mesh, { dataDir: options.defaultDataDir ? undefined : options.dataDir })
    : [
        {
          title: 'What there is',
          command: `npx fmesh status${options.defaultDataDir ? '' : ` --data-dir '${options.dataDir}'`}`,
        },
      ];
  return [
    '',
    `The mesh is ready (${options.seconds.toFixed(1)} s).`,
    ...urls,
    `  Data, keys and logs: ${dataDir} (kept for the next start)`,
    ...networkLines(mesh, options.reads),
    '  No authentication: every caller on this machine holds every jurisdiction and purpose; nothing listens beyond loopback.',
    '',
    'Copy one of these into another terminal, in this folder:',
    ...commands.flatMap(one => ['', `  # ${one.title}`, `  ${one.command}`]),
    '',
    'Ctrl-C stops the mesh.',
  ].join('\n');
}

/** What is printed when a region's supervisor ended: that it is down, what goes on, and the command that starts it again. */
export function downText(
  region: Pick<PreparedRegion, 'id' | 'configPath'>,
  how: string,
  cwd: string,
): string {
  const shown = relative(cwd, region.configPath);
  const path = shown.startsWith('..') ? region.configPath : shown;
  return [
    `${region.id} is DOWN: its supervisor ended (${how}). The other regions go on; nothing starts it by itself.`,
    `  Start it again in another terminal: npx fmesh region serve --config ${quote(path)}`,
    '  or stop the mesh with Ctrl-C and start it anew.',
  ].join('\n');
}

/** What a replica is for, in one line of measured figures. */
export function readsText(reads: ReplicaReads, isLoading: boolean): string {
  const when = isLoading ? 'Measured while the rest of the demo loads' : 'Measured now';
  return `${when}: a row from ${reads.reader}'s own replica ${ms(reads.replicaMs)}; the same row read in its home region ${reads.home} ${ms(reads.homeMs)}`;
}

function networkLines(mesh: MeshFile, reads: string | undefined): readonly string[] {
  const ids = mesh.regions.map(region => region.id);
  const pairs = ids.flatMap((far, at) =>
    ids.slice(0, at).map(near => `${near} - ${far} ${demoRoundTripMs(near, far)} ms`),
  );
  const shownPairs = 3;
  const more = pairs.length > shownPairs ? ', …' : '';
  const network =
    mesh.wan === undefined
      ? 'no delay between the regions (--wan off)'
      : `round trips ${pairs.slice(0, shownPairs).join(', ')}${more}; change or cut it: npm run wan -- --help`;
  return [
    ...(mesh.regions.length < 2 ? [] : [`  Network: ${network}`]),
    ...(reads === undefined ? [] : [`  ${reads}`]),
  ];
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
