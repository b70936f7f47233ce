import { createHash } from 'node:crypto';
import { type RegistryModesAnswer, registryModesSchema } from '@featuremesh/contracts/admin-registry-mode';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { isRegionId } from '@featuremesh/domain/region-id';
import {
  type RegistryMode,
  type RegistryModeDocument,
  registryModeHashText,
} from '@featuremesh/domain/registry-mode';
import type { Command } from 'commander';
import {
  type CliWorld,
  type CommandRun,
  numberOption,
  runs,
  textOption,
  withRegionOptions,
} from '../command-frame.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { officerSignature, parsed } from '../http/admin-client.ts';
import { table } from '../output.ts';
import { regionClient } from '../target/region-target.ts';
import { signer, withSigner } from './policy.ts';

/** Where regions answer about decisions. */
const PATH = '/v1/admin/registry-mode';

/** `fmesh registry`: who accepts definitions: each home its own, or one region all; and handing that over. */
export function registerRegistry(program: Command, world: CliWorld): void {
  const registry = program.command('registry').description('who accepts definitions: mode, propose, approve');
  runs(
    world,
    withRegionOptions(registry.command('mode')).description(
      'decisions known to the region, who has taken over, and definitions that do not stand because of them',
    ),
    runMode,
  );
  const propose = withSigner(withRegionOptions(registry.command('propose <mode>')))
    .description(
      'sign and propose a decision: federated, or central:REGION; naming another region hands the centre over',
    )
    .option('--prefix <text>', 'only definitions whose name begins so (default: all)')
    .option('--reason <text>', 'why, for the record')
    .addHelpText(
      'after',
      '\nThe region asked keeps it until two officers besides the author approved it there; then every region hears of it and follows.\n\nExamples:\n  fmesh registry propose central:us-east-1 --officer owner --key .featuremesh/officers/owner.pem\n  fmesh registry propose federated --prefix ads. --officer owner --key .featuremesh/officers/owner.pem',
    );
  runs(world, propose, runPropose);
  const approve = withSigner(withRegionOptions(registry.command('approve')))
    .description('sign and approve a proposed decision, where it was proposed')
    .option('--epoch <n>', 'its epoch (default: the newest that is proposed)')
    .addHelpText(
      'after',
      '\nExample:\n  fmesh registry approve --officer officer-1 --key .featuremesh/officers/officer-1.pem',
    );
  runs(world, approve, runApprove);
}

function runMode(run: CommandRun): Promise<ExitCode> {
  return withClient(run, async client => show(run, parsed(registryModesSchema, await client.get(PATH))));
}

function runPropose(run: CommandRun): Promise<ExitCode> {
  const mode = modeOf(String(run.args[0]));
  const by = signer(run);
  return withClient(run, async client => {
    const { decisions } = parsed(registryModesSchema, await client.get(PATH));
    const known = decisions
      .filter(({ state }) => state !== 'proposed')
      .map(({ record }) => record.document.epoch);
    const document: RegistryModeDocument = {
      prefix: textOption(run, 'prefix') ?? '',
      mode,
      epoch: 1 + Math.max(0, ...known),
      reason: textOption(run, 'reason') ?? '',
    };
    const hash = createHash('sha256').update(registryModeHashText(document)).digest('hex');
    const signatures = [officerSignature(hash, 'propose', by, run.world.clock.nowMs())];
    const json = { record: { document, hash, signatures, approved: false } };
    return show(run, parsed(registryModesSchema, await client.post(`${PATH}/propose`, { json })));
  });
}

function runApprove(run: CommandRun): Promise<ExitCode> {
  const by = signer(run);
  const epoch = numberOption(run, 'epoch', { min: 1, max: Number.MAX_SAFE_INTEGER });
  return withClient(run, async client => {
    const { decisions } = parsed(registryModesSchema, await client.get(PATH));
    const proposed = decisions.filter(
      ({ state, record }) => state === 'proposed' && (epoch === undefined || record.document.epoch === epoch),
    );
    const [first, second] = proposed;
    if (first === undefined || second !== undefined)
      throw new ProblemError(
        problem(
          'NOT_FOUND',
          first === undefined
            ? 'no such decision is proposed in this region; see `fmesh registry mode`'
            : 'several decisions of this epoch are proposed; approve is only for one',
        ),
      );
    const { hash } = first.record;
    const signature = officerSignature(hash, 'approve', by, run.world.clock.nowMs());
    return show(
      run,
      parsed(registryModesSchema, await client.post(`${PATH}/approve`, { json: { hash, signature } })),
    );
  });
}

async function withClient(
  run: CommandRun,
  work: (client: ReturnType<typeof regionClient>['client']) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { client } = regionClient(run);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

function modeOf(text: string): RegistryMode {
  if (text === 'federated') return { kind: 'federated' };
  const region = /^central:(.+)$/.exec(text)?.[1];
  if (region !== undefined && isRegionId(region)) return { kind: 'central', region };
  throw new ProblemError(problem('INVALID_REQUEST', 'the mode is federated, or central:REGION'));
}

function show(run: CommandRun, answer: RegistryModesAnswer): ExitCode {
  run.output.result(answer, () => draw(answer));
  return EXIT.done;
}

function draw({ decisions, lost, region }: RegistryModesAnswer): string {
  const none = `${region} knows of no decision: every home region accepts its own definitions`;
  const known = table(
    ['epoch', 'names', 'mode', 'state', 'approvals', 'taken over by'],
    decisions.map(({ record: { document }, state, approvals, requiredApprovals, takenOverBy }) => [
      document.epoch,
      document.prefix === '' ? 'all' : `${document.prefix}…`,
      document.mode.kind === 'central' ? `central: ${document.mode.region}` : 'federated',
      state,
      `${approvals} of ${requiredApprovals}`,
      takenOverBy.join(' '),
    ]),
  );
  const refused = lost.map(
    ({ kind, definition, acceptedBy, registryEpoch }) =>
      `does not stand: ${kind} ${definition}, accepted by ${acceptedBy} under registry epoch ${registryEpoch}; apply it again`,
  );
  return [decisions.length === 0 ? none : known, ...refused].join('\n');
}
