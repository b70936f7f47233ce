import { ProblemError, problem } from '@featuremesh/domain/problem';
import { isRegionId } from '@featuremesh/domain/region-id';
import type { Command } from 'commander';
import {
  type CliWorld,
  type CommandRun,
  pathOption,
  requiredPath,
  runs,
  textOption,
} from '../command-frame.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { fingerprint } from '../region/invitation.ts';
import { addRegion, inviteRegion } from '../region/join-regions.ts';

/** `fmesh region invite` and `fmesh region add`: joining by an invitation that both regions sign. */
export function registerRegionJoin(parent: Command, world: CliWorld): void {
  const invite = parent
    .command('invite')
    .description('write a signed invitation for one other region; it holds no secret')
    .requiredOption('--config <file>', 'region.yaml of the inviting region')
    .requiredOption('--for <region>', 'id of the region that may use it')
    .requiredOption('--out <file>', 'where to write it')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', JOIN_HELP);
  runs(world, invite, runInvite);
  const add = parent
    .command('add')
    .description('take an invitation, or the answer to one, and name the other region as a peer')
    .requiredOption('--config <file>', 'region.yaml of this region')
    .requiredOption('--invitation <file>', 'the invitation, or the answer that came back')
    .option('--out <file>', 'where to write the answer for the inviting region')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', JOIN_HELP);
  runs(world, add, runAdd);
}

const JOIN_HELP = `
Joining region A and region B, each with its own files:
  A: fmesh region invite --config A/region.yaml --for eu-west-1 --out for-b.json
  B: fmesh region add    --config B/region.yaml --invitation for-b.json --out answer.json
  A: fmesh region add    --config A/region.yaml --invitation answer.json
Both commands print the fingerprint of the other region's key: compare it by telephone.
A running region takes the new peer over by itself.`;

async function runInvite(run: CommandRun): Promise<ExitCode> {
  const outPath = requiredPath(run, 'out');
  const forRegion = textOption(run, 'for') ?? '';
  if (!isRegionId(forRegion)) throw new ProblemError(problem('INVALID_REQUEST', '--for is no region id'));
  const own = await inviteRegion({ configPath: requiredPath(run, 'config'), forRegion, outPath }, run.world);
  const print = fingerprint(own.publicKey);
  run.output.result({ region: own.id, for: forRegion, file: outPath, fingerprint: print }, () =>
    [
      `invitation of ${own.id} for ${forRegion}: ${outPath} (valid seven days)`,
      `fingerprint of ${own.id}: ${print}`,
      `Next, in region ${forRegion}: fmesh region add --config …/region.yaml --invitation '${outPath}' --out answer.json`,
    ].join('\n'),
  );
  return EXIT.done;
}

async function runAdd(run: CommandRun): Promise<ExitCode> {
  const joined = await addRegion(
    {
      configPath: requiredPath(run, 'config'),
      invitationPath: requiredPath(run, 'invitation'),
      replyPath: pathOption(run, 'out'),
    },
    run.world,
  );
  const print = fingerprint(joined.peer.publicKey);
  run.output.result(
    { peer: joined.peer, changed: joined.changed, reply: joined.replyPath ?? null, fingerprint: print },
    () =>
      [
        `${joined.peer.id} (${joined.peer.jurisdiction}) is ${joined.changed ? 'now' : 'already'} a peer`,
        `fingerprint of ${joined.peer.id}: ${print}`,
        joined.replyPath === undefined
          ? 'Both regions know each other now.'
          : `Next, in region ${joined.peer.id}: fmesh region add --config …/region.yaml --invitation '${joined.replyPath}'`,
      ].join('\n'),
  );
  return EXIT.done;
}
