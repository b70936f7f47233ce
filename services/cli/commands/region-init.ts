import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Officer } from '@featuremesh/domain/policy';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Command } from 'commander';
import { z } from 'zod';
import {
  type CliWorld,
  type CommandRun,
  numberOption,
  requiredPath,
  runs,
  textOption,
} from '../command-frame.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { fingerprint } from '../region/invitation.ts';
import { DEFAULT_PORT_BASE, PORTS_PER_REGION, scaffoldRegion } from '../region/region-scaffold.ts';
import { gather } from './keys-option.ts';

const MAX_SERVICES = 4;
const officerFileSchema = z.object({
  id: z.string(),
  publicKey: z.string(),
  roles: z.array(z.enum(['owner', 'compliance'])),
});

/** `fmesh region init`: writes the configuration and the keys of a new region. */
export function registerRegionInit(parent: Command, world: CliWorld): void {
  const command = parent
    .command('init')
    .description('write region.yaml and keys/ of a new region')
    .requiredOption('--id <id>', 'name of the region: 1 to 24 of a-z, 0-9 and -')
    .requiredOption('--jurisdiction <name>', 'whose law applies to it, for instance EU')
    .requiredOption('--dir <folder>', 'folder of the region')
    .option('--cloud <name>', 'where it runs', 'local')
    .option('--location <text>', 'place, for people', 'local')
    .option('--port-base <n>', `first of its ${PORTS_PER_REGION} ports (default: ${DEFAULT_PORT_BASE})`)
    .option('--services <n>', 'service processes (default: 1)')
    .option(
      '--officer <file>',
      'public file of an officer (from `fmesh policy officer`); repeat for each',
      gather,
    )
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Example:
  fmesh region init --id eu-west-1 --jurisdiction EU --dir ./europe --port-base 7500
  fmesh region serve --config ./europe/region.yaml`,
    );
  runs(world, command, init);
}

async function init(run: CommandRun): Promise<ExitCode> {
  const portBase =
    numberOption(run, 'portBase', { min: 1_024, max: 65_535 - PORTS_PER_REGION }) ?? DEFAULT_PORT_BASE;
  const id = textOption(run, 'id') ?? '';
  const written = await scaffoldRegion(
    {
      id,
      jurisdiction: textOption(run, 'jurisdiction') ?? '',
      cloud: textOption(run, 'cloud') ?? 'local',
      location: textOption(run, 'location') ?? 'local',
      directory: requiredPath(run, 'dir'),
      portBase,
      services: numberOption(run, 'services', { min: 1, max: MAX_SERVICES }) ?? 1,
      officers: await readOfficers(run),
    },
    run.world.random,
  );
  const print = fingerprint(written.publicKey);
  run.output.result({ id, ...written, fingerprint: print }, () =>
    [
      `region ${id} is written to ${written.configPath}`,
      `fingerprint of its key: ${print}`,
      `Next: fmesh region serve --config '${written.configPath}'`,
    ].join('\n'),
  );
  return EXIT.done;
}

async function readOfficers(run: CommandRun): Promise<readonly Officer[]> {
  const files = (run.options['officer'] as string[] | undefined) ?? [];
  return await Promise.all(
    files.map(async file => {
      try {
        return officerFileSchema.parse(JSON.parse(await readFile(resolve(run.world.cwd, file), 'utf8')));
      } catch (error) {
        throw new ProblemError(problem('INVALID_REQUEST', `${file} is no public file of an officer`), {
          cause: error,
        });
      }
    }),
  );
}
