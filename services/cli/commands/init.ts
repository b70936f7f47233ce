import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { isRegionId } from '@featuremesh/domain/region-id';
import { writeFileAtomic } from '@featuremesh/runtime/atomic-file';
import type { Command } from 'commander';
import { type CliWorld, type CommandRun, runs, textOption } from '../command-frame.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';

/** `fmesh init`: a folder of definitions and policies to start from. */
export function registerInit(program: Command, world: CliWorld): void {
  const command = program
    .command('init [folder]')
    .description('write features/ and policies/ with a first example')
    .option('--home <region>', 'home region of the example', 'us-east-1')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  fmesh init my-features --home eu-west-1\n  cd my-features && fmesh validate --policies policies',
    );
  runs(world, command, init);
}

async function init(run: CommandRun): Promise<ExitCode> {
  const folder = resolve(run.world.cwd, String(run.args[0] ?? '.'));
  const home = textOption(run, 'home') ?? '';
  if (!isRegionId(home)) throw new ProblemError(problem('INVALID_REQUEST', '--home is no region id'));
  const files = [
    { path: join(folder, 'features', 'airports.yaml'), text: features(home) },
    { path: join(folder, 'policies', 'airports.yaml'), text: policies(home) },
  ];
  const there = files.find(file => existsSync(file.path));
  if (there !== undefined)
    throw new ProblemError(problem('INVALID_REQUEST', `${there.path} exists already; it is never replaced`));
  for (const file of files) await writeFileAtomic(file.path, file.text);
  run.output.result({ files: files.map(file => file.path) }, () =>
    [
      ...files.map(file => `written: ${file.path}`),
      'Next: fmesh validate --policies policies, then fmesh plan, fmesh apply',
    ].join('\n'),
  );
  return EXIT.done;
}

function features(home: string): string {
  return `entities:
  - {name: airport, joinKeys: [{name: airport, type: string}]}
featureGroups:
  - name: airport_weather
    entity: airport
    homeRegion: ${home}
    description: Last observed weather per airport
    owner: you@example.com
    tags: [example]
    inputs: external
    maxAge: 6h
    sync: {mode: local}              # active-active copies rows to sync.regions, where a policy allows it
    features:
      - {name: temperature_c, type: float64, nullable: true, description: Degrees Celsius}
      - {name: visibility_m, type: int32, nullable: true, description: Metres}
featureServices:
  - name: weather_model
    homeRegion: ${home}
    features: ["airport_weather:temperature_c", "airport_weather:visibility_m"]
`;
}

function policies(home: string): string {
  return `# Without a policy a group stays in its home region. Only \`fmesh policy propose\` and \`approve\` bring one into force.
- name: weather-stays-home
  home: ${home}
  version: 1
  select: {groups: [${home}/airport_weather]}
  allowed: {regions: [${home}]}
  rows: shared
  egress: in-domain
`;
}
