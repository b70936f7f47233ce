import { relative } from 'node:path';
import type { MeshFile } from '@featuremesh/cli/target/mesh-file';
import { demoCommands } from './demo-commands.ts';

/** What a start prints at its end: addresses, what the reader should know, and commands to copy. */
export function readyText(
  mesh: MeshFile,
  options: { seconds: number; dataDir: string; defaultDataDir: boolean; cwd: string; demo: boolean },
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
    '  No authentication: every caller on this machine holds every jurisdiction and purpose; nothing listens beyond loopback.',
    '',
    'Copy one of these into another terminal, in this folder:',
    ...commands.flatMap(one => ['', `  # ${one.title}`, `  ${one.command}`]),
    '',
    'Ctrl-C stops the mesh.',
  ].join('\n');
}
