import { resolve } from 'node:path';
import { type Problem, ProblemError, problem } from '@featuremesh/domain/problem';
import type { Result } from '@featuremesh/domain/result';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Random } from '@featuremesh/runtime/random';
import type { Timer } from '@featuremesh/runtime/timer';
import type { Command } from 'commander';
import { EXIT, type ExitCode, exitCodeOf } from './exit-code.ts';
import { fileProblem } from './file-problem.ts';
import { nextStep } from './next-step.ts';
import { Output } from './output.ts';

/** What a command may touch of the outside world, given by main. */
export interface CliWorld {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { isTTY?: boolean };
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly random: Random;
  /** Called once, when the command is over. */
  readonly exit: (code: ExitCode) => void;
}

/** What every command is given when it runs. */
export interface CommandRun {
  readonly world: CliWorld;
  readonly output: Output;
  /** Options by their camelCase names, as commander parsed them. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Positional arguments in order; a variadic one is an array. */
  readonly args: readonly unknown[];
}

/** Gives a command `--json` and the means to reach a region. */
export function withRegionOptions(command: Command): Command {
  return command
    .option(
      '--region <id|url>',
      'region id (from mesh.json), URL, or path of a region.yaml; env FEATUREMESH_REGION',
    )
    .option('--data-dir <dir>', 'folder of the local mesh; env FEATUREMESH_DATA_DIR')
    .option('--json', 'print the answer as JSON');
}

/** Connects a command with its work: prints problems with the next step and sets the documented exit status. */
export function runs(
  world: CliWorld,
  command: Command,
  work: (run: CommandRun) => Promise<ExitCode>,
): Command {
  return command.action(async () => {
    const options = command.optsWithGlobals() as Readonly<Record<string, unknown>>;
    const output = new Output({ json: options['json'] === true, out: world.stdout, err: world.stderr });
    try {
      world.exit(await work({ world, output, options, args: command.processedArgs as readonly unknown[] }));
    } catch (error) {
      const what = error instanceof ProblemError ? error.problem : fileProblem(error);
      if (what === undefined) throw error;
      showProblem(output, what);
      world.exit(exitCodeOf(what.code));
    }
  });
}

/** Prints a problem: code, what happened, the places, what to do next. */
function showProblem(output: Output, what: Problem): void {
  const next = nextStep(what.code);
  if (output.json) {
    output.error(
      JSON.stringify({
        code: what.code,
        detail: what.detail,
        issues: what.issues ?? [],
        ...what.extra,
        ...(next === undefined ? {} : { next }),
      }),
    );
    return;
  }
  output.error(`${what.code}: ${what.detail}`);
  for (const issue of what.issues ?? []) output.error(`  ${issue.path}: ${issue.message}`);
  for (const [name, value] of Object.entries(what.extra ?? {}).filter(([, value]) => value !== null))
    output.error(`  ${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  if (next !== undefined) output.error(`  Next: ${next}`);
}

/** The value of a result; throws its problem to the frame otherwise. */
export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new ProblemError(result.problem);
}

/** An option as text, or undefined where it was not given. */
export function textOption(run: CommandRun, name: string): string | undefined {
  const value = run.options[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Who gives the command, for the record of changes; undefined where nobody is named. */
export function actorOption(run: CommandRun): string | undefined {
  return textOption(run, 'by') ?? (run.world.env['FEATUREMESH_ACTOR'] || undefined);
}

/** A whole-number option; INVALID_REQUEST where it is none or out of its bounds. */
export function numberOption(
  run: CommandRun,
  name: string,
  bounds: { min: number; max: number },
): number | undefined {
  const text = textOption(run, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= bounds.min && value <= bounds.max) return value;
  throw new ProblemError(
    problem('INVALID_REQUEST', `--${kebab(name)} must be a whole number from ${bounds.min} to ${bounds.max}`),
  );
}

/** A path option, made absolute. */
export function pathOption(run: CommandRun, name: string): string | undefined {
  const text = textOption(run, name);
  return text === undefined ? undefined : resolve(run.world.cwd, text);
}

/** A path option that must be there. */
export function requiredPath(run: CommandRun, name: string): string {
  const path = pathOption(run, name);
  if (path === undefined) throw new ProblemError(problem('INVALID_REQUEST', `--${kebab(name)} is needed`));
  return path;
}

/** Registers a command whose part of the contract comes later: it is refused, never ignored. */
export function notYetSupported(world: CliWorld, parent: Command, name: string, summary: string): void {
  const command = withRegionOptions(parent.command(name).description(`${summary} (not supported yet)`))
    .allowUnknownOption()
    .allowExcessArguments();
  runs(world, command, ({ output }) => {
    showProblem(
      output,
      problem('NOT_YET_SUPPORTED', `\`fmesh ${commandPath(command)}\` is not supported yet`),
    );
    return Promise.resolve(EXIT.notYetSupported);
  });
}

function commandPath(command: Command): string {
  const parent = command.parent;
  return parent === null || parent.parent === null
    ? command.name()
    : `${commandPath(parent)} ${command.name()}`;
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
}
