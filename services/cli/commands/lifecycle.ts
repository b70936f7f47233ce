import { type LifecycleAnswer, lifecycleAnswerSchema } from '@featuremesh/contracts/admin-lifecycle';
import { parseGroupReference } from '@featuremesh/domain/group-reference';
import type { Command } from 'commander';
import { z } from 'zod';
import {
  actorOption,
  type CliWorld,
  type CommandRun,
  numberOption,
  runs,
  textOption,
  withRegionOptions,
} from '../command-frame.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { parsed } from '../http/admin-client.ts';
import { sentToAuthority } from '../http/authority.ts';
import { JsonClient } from '../http/json-client.ts';
import { regionClient, token } from '../target/region-target.ts';

/** Largest registry revision that the command line takes. */
const MAX_REVISION = Number.MAX_SAFE_INTEGER;

const HOME_HELP =
  '\nIt is sent to the home region: the one written before the name, or --region; and on to the region that accepts definitions for it, where there is one.';

/** `fmesh promote` and `fmesh retire`: which version a bare reference means, and the end of a group. */
export function registerLifecycle(program: Command, world: CliWorld): void {
  const promote = withChangeOptions(program.command('promote <group@vN>'))
    .description('let a bare reference mean another version of a group, for reads and writes')
    .option('--alias <name>', 'the alias to move', 'production')
    .option('--expected-version <n>', 'refuse where the alias does not point at this version now')
    .addHelpText(
      'after',
      `${HOME_HELP}\n\nExamples:\n  fmesh promote us-east-1/airport_delays@v2 --dry-run\n  fmesh promote us-east-1/airport_delays@v2`,
    );
  runs(world, promote, run => {
    const expectedVersion = numberOption(run, 'expectedVersion', { min: 1, max: MAX_REVISION });
    return send(run, 'promotions', {
      alias: textOption(run, 'alias'),
      ...(expectedVersion === undefined ? {} : { expectedVersion }),
    });
  });
  const retire = withChangeOptions(program.command('retire <group>'))
    .description(
      'close a group, or one version of it, to reads and writes; its rows stay unless they are purged',
    )
    .option('--even-if-used', 'although other definitions depend on it')
    .option('--purge', 'delete the rows as well, in every region and for good')
    .addHelpText(
      'after',
      `${HOME_HELP}\nSay before that it will go: \`deprecated: {since, successor, reason}\` in its definition.\n\nExamples:\n  fmesh retire us-east-1/airport_delays@v1\n  fmesh retire airport_delays --purge --dry-run`,
    );
  runs(world, retire, run =>
    send(run, 'retirements', {
      evenIfUsed: run.options['evenIfUsed'] === true,
      purge: run.options['purge'] === true,
    }),
  );
}

function withChangeOptions(command: Command): Command {
  return withRegionOptions(command)
    .option('--dry-run', 'change nothing, say what would follow')
    .option('--expected-revision <n>', 'refuse where the registry is no longer at this revision')
    .option('--by <name>', 'who does it, for the record of changes; env FEATUREMESH_ACTOR');
}

async function send(run: CommandRun, what: 'promotions' | 'retirements', more: object): Promise<ExitCode> {
  const group = String(run.args[0]);
  const by = actorOption(run);
  const expectedRevision = numberOption(run, 'expectedRevision', { min: 0, max: MAX_REVISION });
  const json = {
    group,
    dryRun: run.options['dryRun'] === true,
    ...(by === undefined ? {} : { by }),
    ...(expectedRevision === undefined ? {} : { expectedRevision }),
    ...more,
  };
  const { client } = regionClient(run, parseGroupReference(group)?.home);
  const answer = await sentToAuthority(client, {
    clientAt: url => new JsonClient(url, token(run)),
    prepare: first => withHome(first, group),
    send: async (to, qualified = group) =>
      parsed(
        lifecycleAnswerSchema,
        await to.post(`/v1/admin/${what}`, { json: { ...json, group: qualified } }),
      ),
  });
  run.output.result(answer, () => draw(answer));
  return EXIT.done;
}

/** A reference as the region understands it: by bare name another region would look among its own groups first. */
async function withHome(client: JsonClient, reference: string): Promise<string> {
  if (parseGroupReference(reference)?.home !== undefined) return reference;
  const found = await client.get(`/v1/groups/${reference}`);
  return `${parsed(z.looseObject({ home: z.string() }), found).home}/${reference}`;
}

function draw({ group, outcome, versions, consequences, region, revision }: LifecycleAnswer): string {
  return [
    `${group}: ${outcome}`,
    ...versions.map(one => `  v${one.version}  ${[one.state, ...one.aliases].join(', ')}`),
    ...consequences.map(line => `    ${line}`),
    `${region}: registry revision ${revision}`,
  ].join('\n');
}
