import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { writeNatsConfig } from '@featuremesh/infra/nats/nats-config';
import type { Command } from 'commander';
import { type CliWorld, type CommandRun, requiredPath, runs } from '../command-frame.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { RegionSupervisor } from '../region/region-supervisor.ts';

/** `fmesh region serve`: runs a region in the foreground until SIGTERM, Ctrl-C, or the end of the program that started it. */
export function registerRegionServe(parent: Command, world: CliWorld): void {
  const command = parent
    .command('serve')
    .description('run a region: broker, sync agent, service, gateway; Ctrl-C stops it in order')
    .requiredOption('--config <file>', 'its region.yaml')
    .addHelpText(
      'after',
      `
A change of region.yaml (a peer that was added) is taken over while it runs.
Logs stand in <dataDir>/logs/*.log, one JSON object a line.

Example:
  fmesh region serve --config ./europe/region.yaml`,
    );
  runs(world, command, serve);
}

async function serve(run: CommandRun): Promise<ExitCode> {
  const { clock, timer, env } = run.world;
  const stop = new AbortController();
  const ends = (): void => stop.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ends);
  // Who started this may have been killed, and read what it says: writing on would end it before its parts are stopped.
  let heard = true;
  if (process.connected === true)
    process.on('disconnect', () => {
      heard = false;
      ends();
    });
  const say = (text: string): void => {
    if (heard) run.output.note(text);
  };
  const tellParent = (message: object): void => {
    if (process.connected === true) process.send?.(message, undefined, undefined, () => undefined);
  };
  let id = '';
  const supervisor = new RegionSupervisor({
    configPath: requiredPath(run, 'config'),
    env,
    clock,
    timer,
    writeBrokerConfig: async config => (await writeNatsConfig(config)).configPath,
    locateBroker: () => locateNatsServer(say),
    tell: text => {
      say(`${id}: ${text}`);
      tellParent({ kind: 'note', text });
    },
    onPids: pids => tellParent({ kind: 'pids', pids }),
  });
  const { config } = supervisor;
  id = config.id;
  const started = supervisor.start();
  stop.signal.addEventListener('abort', () => void supervisor.stop());
  if (stop.signal.aborted) await supervisor.stop();
  try {
    await started;
  } catch (error) {
    if (stop.signal.aborted) return EXIT.done;
    throw error;
  }
  say(`${id}: ready; region ${config.publicUrl}, gateway ${config.publicGatewayUrl}`);
  tellParent({ kind: 'ready', pids: supervisor.pids });
  while (!stop.signal.aborted) await timer.sleep(60_000, stop.signal);
  say(`${id}: stopping`);
  await supervisor.stop();
  say(`${id}: stopped`);
  return EXIT.done;
}
