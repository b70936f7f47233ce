import {
  checkDefinitions,
  type ParsedDefinitions,
  parseDefinitionFiles,
} from '@featuremesh/contracts/definition-file';
import { parsePolicyFiles } from '@featuremesh/contracts/policy-file';
import { type DefinitionSet, NOTHING_KNOWN } from '@featuremesh/domain/definition-rules';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { isRegionId, type RegionId } from '@featuremesh/domain/region-id';
import type { Command } from 'commander';
import {
  type CliWorld,
  type CommandRun,
  runs,
  textOption,
  unwrap,
  withRegionOptions,
} from '../command-frame.ts';
import { applyDefinitions, changeLine, type HomeOutcome } from '../definitions/apply-definitions.ts';
import { readYamlFiles } from '../definitions/yaml-files.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { JsonClient } from '../http/json-client.ts';
import { table } from '../output.ts';
import { regionTarget, runningMesh, token } from '../target/region-target.ts';

const FOLDERS_HELP = `
Paths are YAML files or folders; the default is features/.
A definition goes to its home region; with --region, everything goes to that one.
`;

/** `fmesh validate`, `plan` and `apply`: definition files against the rules, a mesh, and into it. */
export function registerDefinitions(program: Command, world: CliWorld): void {
  const validate = program
    .command('validate [paths...]')
    .description('check definition files (and policies/) offline; errors name file, line and path')
    .option('--home <region>', 'home region of services that name none')
    .option('--policies <path>', 'policy files to check too')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `${FOLDERS_HELP}\nExamples:\n  fmesh validate\n  fmesh validate features/airports.yaml --policies policies`,
    );
  runs(world, validate, runValidate);
  const plan = withRegionOptions(program.command('plan [paths...]'))
    .description('what apply would do')
    .option('--home <region>', 'home region of services that name none')
    .addHelpText('after', `${FOLDERS_HELP}\nExample:\n  fmesh plan features`);
  runs(world, plan, run => send(run, true));
  const apply = withRegionOptions(program.command('apply [paths...]'))
    .description('apply definition files at their home regions')
    .option('--home <region>', 'home region of services that name none')
    .addHelpText('after', `${FOLDERS_HELP}\nExample:\n  fmesh apply features`);
  runs(world, apply, run => send(run, false));
}

function runValidate(run: CommandRun): Promise<ExitCode> {
  const parsed = parseFiles(run);
  const set = unwrap(checkDefinitions(parsed, NOTHING_KNOWN));
  refuseNothing(set);
  const policyPath = textOption(run, 'policies');
  const policies =
    policyPath === undefined ? [] : unwrap(parsePolicyFiles(readYamlFiles([policyPath], run.world.cwd)));
  const counts = {
    entities: set.entities.length,
    groups: set.groups.length,
    services: set.services.length,
    policies: policies.length,
  };
  run.output.result(
    { valid: true, ...counts },
    () =>
      `valid: ${counts.entities} entities, ${counts.groups} feature groups, ${counts.services} feature services, ${counts.policies} policies`,
  );
  return Promise.resolve(EXIT.done);
}

/** An empty or misnamed file would otherwise pass for one that was checked. */
function refuseNothing({ entities, groups, services }: DefinitionSet): void {
  if (entities.length + groups.length + services.length > 0) return;
  throw new ProblemError(problem('INVALID_REQUEST', 'the files define nothing'));
}

async function send(run: CommandRun, dryRun: boolean): Promise<ExitCode> {
  const parsed = parseFiles(run);
  refuseNothing(unwrap(checkDefinitions(parsed, NOTHING_KNOWN)));
  const forced = textOption(run, 'region');
  const first = parsed.set.groups[0]?.homeRegion ?? parsed.set.services[0]?.homeRegion ?? homeOption(run);
  const fallbackHome = first ?? fallback(run);
  const outcomes = await applyDefinitions(parsed, {
    dryRun,
    fallbackHome,
    clientFor: home =>
      new JsonClient(regionTarget(run, forced === undefined ? home : undefined).url, token(run)),
  });
  run.output.result({ regions: outcomes.map(({ home, answer }) => ({ home, ...answer })) }, () =>
    draw(outcomes, dryRun),
  );
  return outcomes.some(({ answer }) => answer.changes.some(change => change.kind === 'refused'))
    ? EXIT.refused
    : EXIT.done;
}

function draw(outcomes: readonly HomeOutcome[], dryRun: boolean): string {
  const rows = outcomes.flatMap(({ answer }) => answer.changes.map(changeLine));
  const regions = outcomes.flatMap(({ answer }) =>
    answer.perRegion.map(
      one => `${one.region}: ${one.outcome}${one.detail === undefined ? '' : ` (${one.detail})`}`,
    ),
  );
  return `${table(['change', 'type', 'object', 'what follows'], rows)}\n\n${regions.join('\n')}${dryRun ? '\nNext: fmesh apply' : ''}`;
}

function parseFiles(run: CommandRun): ParsedDefinitions {
  const given = (run.args[0] as string[] | undefined) ?? [];
  const files = readYamlFiles(given.length === 0 ? ['features'] : given, run.world.cwd);
  const defaultHome = homeOption(run);
  return unwrap(parseDefinitionFiles(files, defaultHome === undefined ? {} : { defaultHome }));
}

function homeOption(run: CommandRun): RegionId | undefined {
  const home = textOption(run, 'home');
  if (home === undefined || isRegionId(home)) return home;
  throw new ProblemError(problem('INVALID_REQUEST', '--home is no region id'));
}

function fallback(run: CommandRun): RegionId {
  const id = regionTarget(run).id ?? runningMesh(run)?.regions[0]?.id ?? '';
  if (isRegionId(id)) return id;
  throw new ProblemError(problem('INVALID_REQUEST', 'the files name no home region; give one with --home'));
}
