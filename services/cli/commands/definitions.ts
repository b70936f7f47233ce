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
  actorOption,
  type CliWorld,
  type CommandRun,
  runs,
  textOption,
  unwrap,
  withRegionOptions,
} from '../command-frame.ts';
import { applyDefinitions, EVERY_HOME } from '../definitions/apply-definitions.ts';
import { drawOutcomes } from '../definitions/draw-plan.ts';
import { readYamlFiles } from '../definitions/yaml-files.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { JsonClient } from '../http/json-client.ts';
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
    .option('--dry-run', 'change nothing: the same as plan')
    .option(
      '--expected-revision <home=N,…>',
      'refuse with CONCURRENT_CHANGE where a registry is no longer at the revision that plan printed',
    )
    .option('--by <name>', 'who applies, for the record of changes; env FEATUREMESH_ACTOR')
    .addHelpText(
      'after',
      `${FOLDERS_HELP}\nExamples:\n  fmesh apply features\n  fmesh apply features --expected-revision us-east-1=12`,
    );
  runs(world, apply, run => send(run, run.options['dryRun'] === true));
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
  const by = actorOption(run);
  const outcomes = await applyDefinitions(parsed, {
    dryRun,
    fallbackHome,
    expectedRevisions: expectedRevisions(textOption(run, 'expectedRevision')),
    ...(by === undefined ? {} : { by }),
    clientAt: url => new JsonClient(url, token(run)),
    clientFor: home =>
      new JsonClient(regionTarget(run, forced === undefined ? home : undefined).url, token(run)),
  });
  run.output.result({ regions: outcomes.map(({ home, answer }) => ({ home, ...answer })) }, () =>
    drawOutcomes(outcomes, dryRun),
  );
  return outcomes.some(({ answer }) => answer.changes.some(change => change.kind === 'refused'))
    ? EXIT.refused
    : EXIT.done;
}

/** `us-east-1=12,eu-west-1=7`, as plan prints it; a number alone counts for every home. */
function expectedRevisions(text: string | undefined): ReadonlyMap<string, number> {
  const revisions = new Map<string, number>();
  if (text === undefined) return revisions;
  for (const part of text.split(',')) {
    const match = /^(?:([a-z0-9-]{1,24})=)?(\d{1,15})$/.exec(part.trim());
    if (match === null)
      throw new ProblemError(
        problem('INVALID_REQUEST', '--expected-revision is like us-east-1=12, as plan prints it'),
      );
    revisions.set(match[1] ?? EVERY_HOME, Number(match[2]));
  }
  return revisions;
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
