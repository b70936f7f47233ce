import { type Operation, operationAnswerSchema, operationListSchema } from '@featuremesh/contracts/operation';
import type { Command } from 'commander';
import { type CliWorld, type CommandRun, runs, withRegionOptions } from '../command-frame.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { parsed } from '../http/admin-client.ts';
import { table } from '../output.ts';
import { regionClient } from '../target/region-target.ts';

/** How often a watched operation is asked for. */
const WATCH_POLL_MS = 1_000;

/** `fmesh op`: long work of a region: list, watch, cancel. */
export function registerOp(program: Command, world: CliWorld): void {
  const op = program.command('op').description('long work: list, watch, cancel');
  runs(world, withRegionOptions(op.command('list')).description('operations of the region'), list);
  const watch = withRegionOptions(op.command('watch <id>'))
    .description('follow an operation until it ends')
    .addHelpText('after', '\nExample:\n  fmesh op watch op-3k2v --region eu-west-1');
  runs(world, watch, follow);
  runs(world, withRegionOptions(op.command('cancel <id>')).description('ask an operation to end'), cancel);
}

async function list(run: CommandRun): Promise<ExitCode> {
  const { client } = regionClient(run);
  try {
    const { operations } = parsed(operationListSchema, await client.get('/v1/operations'));
    run.output.result({ operations }, () => (operations.length === 0 ? 'no operations' : draw(operations)));
    return EXIT.done;
  } finally {
    await client.close();
  }
}

async function follow(run: CommandRun): Promise<ExitCode> {
  const { client } = regionClient(run);
  const path = `/v1/operations/${encodeURIComponent(String(run.args[0]))}`;
  try {
    let shown = '';
    for (;;) {
      const { operation } = parsed(operationAnswerSchema, await client.get(path));
      const text = draw([operation]);
      if (text !== shown) run.output.note(text);
      shown = text;
      if (operation.state === 'done' || operation.state === 'failed' || operation.state === 'cancelled') {
        run.output.result({ operation }, () => `${operation.id}: ${operation.state}`);
        return operation.state === 'done' ? EXIT.done : EXIT.partly;
      }
      await run.world.timer.sleep(WATCH_POLL_MS);
    }
  } finally {
    await client.close();
  }
}

async function cancel(run: CommandRun): Promise<ExitCode> {
  const { client } = regionClient(run);
  try {
    const path = `/v1/operations/${encodeURIComponent(String(run.args[0]))}/cancel`;
    const { operation } = parsed(operationAnswerSchema, await client.post(path, { json: {} }));
    run.output.result({ operation }, () => `${operation.id}: ${operation.state}`);
    return EXIT.done;
  } finally {
    await client.close();
  }
}

function draw(operations: readonly Operation[]): string {
  return table(
    ['operation', 'kind', 'state', 'progress', 'waiting for'],
    operations.map(one => [
      one.id,
      one.kind,
      one.state,
      one.progress.fraction === null
        ? String(one.progress.done)
        : `${Math.round(one.progress.fraction * 100)} %`,
      one.blockers.map(blocker => `${blocker.region}: ${blocker.reason}`).join('; '),
    ]),
  );
}
