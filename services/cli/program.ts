import { Command } from 'commander';
import { type CliWorld, notYetSupported } from './command-frame.ts';
import { registerAudit } from './commands/audit.ts';
import { registerCatalogue } from './commands/catalogue.ts';
import { registerDefinitions } from './commands/definitions.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerImport } from './commands/import.ts';
import { registerInit } from './commands/init.ts';
import { registerLifecycle } from './commands/lifecycle.ts';
import { registerOp } from './commands/op.ts';
import { registerPolicy } from './commands/policy.ts';
import { registerRead } from './commands/read.ts';
import { registerRegionInit } from './commands/region-init.ts';
import { registerRegionJoin } from './commands/region-join.ts';
import { registerRegionServe } from './commands/region-serve.ts';
import { registerRegistry } from './commands/registry.ts';
import { registerStatus } from './commands/status.ts';
import { registerWrite } from './commands/write.ts';
import { EXIT_CODES_HELP } from './exit-code.ts';

/** Commands of the contract whose milestone is later: refused by name, so that nothing seems done that is not. */
const LATER: readonly (readonly [name: string, summary: string])[] = [
  ['adopt', 'adopt a definition of another region'],
  ['sync', 'change how groups are synchronised'],
  ['evidence', 'report and verify evidence of residency'],
  ['erase', 'erase a person across all copies'],
  ['dataset', 'point-in-time correct training sets'],
  ['materialize', 'copy the newest offline rows into the online store'],
];

/** The whole command line of `fmesh`, not yet run. */
export function buildProgram(world: CliWorld): Command {
  const program = new Command('fmesh')
    .description('featuremesh: autonomous feature stores in several regions, joined into one mesh')
    .version('0.1.0')
    // Else `--version` of a command (`policy approve NAME --version 2`) would be taken for this one, with exit status 0.
    .enablePositionalOptions()
    .showHelpAfterError('(fmesh COMMAND --help shows examples)')
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: text => world.stdout.write(text),
      writeErr: text => world.stderr.write(text),
    })
    .addHelpText(
      'after',
      `\n${EXIT_CODES_HELP}\n\nFirst steps:\n  npm start                 a mesh of three regions with real flights\n  fmesh status              regions, links, lag, rows\n  fmesh list                what there is to read\n  fmesh doctor              what is wrong, what to do`,
    );
  const region = program.command('region').description('run a region and join it with others');
  registerRegionInit(region, world);
  registerRegionServe(region, world);
  registerRegionJoin(region, world);
  notYetSupported(world, region, 'remove', 'leave another region');
  registerInit(program, world);
  registerDefinitions(program, world);
  registerCatalogue(program, world);
  registerLifecycle(program, world);
  registerWrite(program, world);
  registerImport(program, world);
  registerRead(program, world);
  registerStatus(program, world);
  registerAudit(program, world);
  registerPolicy(program, world);
  registerRegistry(program, world);
  registerOp(program, world);
  registerDoctor(program, world);
  for (const [name, summary] of LATER) notYetSupported(world, program, name, summary);
  for (const command of everyCommand(program)) command.exitOverride();
  return program;
}

function everyCommand(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}
