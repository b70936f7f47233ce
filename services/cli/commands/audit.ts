import {
  auditAnswerSchema,
  auditHash,
  brokenLink,
  MAX_AUDIT_RECORDS,
} from '@featuremesh/contracts/admin-audit';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Command } from 'commander';
import type { z } from 'zod';
import {
  type CliWorld,
  type CommandRun,
  numberOption,
  runs,
  textOption,
  withRegionOptions,
} from '../command-frame.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { parsed } from '../http/admin-client.ts';
import { table } from '../output.ts';
import { regionClient } from '../target/region-target.ts';

type Records = z.infer<typeof auditAnswerSchema>['records'];

/** Records that a person is shown unless he asks for more. */
const DEFAULT_RECORDS = 50;

/** `fmesh audit list` and `verify`: who changed what in a region's registry, and whether that record is whole. */
export function registerAudit(program: Command, world: CliWorld): void {
  const audit = program.command('audit').description('who changed what in the registry of a region');
  const list = withRegionOptions(audit.command('list'))
    .description('the newest changes of definitions and policies, oldest first')
    .option('--limit <n>', 'how many', String(DEFAULT_RECORDS))
    .addHelpText('after', '\nExample:\n  fmesh audit list --region us-east-1 --limit 20');
  runs(world, list, listRecords);
  const verify = withRegionOptions(audit.command('verify'))
    .description('check here that each record holds the hash of the one before it')
    .option('--expect <revision=hash>', 'that record must have this hash: what an earlier verify printed')
    .addHelpText(
      'after',
      `\nWho can rewrite a whole registry can rewrite its whole chain: keep what verify prints elsewhere, and give it to the next one.\n\nExamples:\n  fmesh audit verify\n  fmesh audit verify --expect 12=9f86d081…`,
    );
  runs(world, verify, verifyRecords);
}

async function recordsOf(run: CommandRun, limit: number): Promise<Records> {
  const { client } = regionClient(run);
  try {
    return parsed(auditAnswerSchema, await client.get(`/v1/admin/audit?limit=${limit}`)).records;
  } finally {
    await client.close();
  }
}

async function listRecords(run: CommandRun): Promise<ExitCode> {
  const limit = numberOption(run, 'limit', { min: 1, max: MAX_AUDIT_RECORDS }) ?? DEFAULT_RECORDS;
  const records = await recordsOf(run, limit);
  run.output.result({ records }, () =>
    table(
      ['revision', 'when', 'who', 'what'],
      records.map(({ revision, atMs, actor, what }) => [revision, new Date(atMs).toISOString(), actor, what]),
    ),
  );
  return EXIT.done;
}

async function verifyRecords(run: CommandRun): Promise<ExitCode> {
  const expected = expectation(textOption(run, 'expect'));
  const records = await recordsOf(run, MAX_AUDIT_RECORDS);
  const [first, last] = [records[0], records.at(-1)];
  const at = brokenLink(records);
  const broken =
    at !== undefined
      ? `record ${records[at]?.revision ?? at} does not hold the hash of the one before it`
      : first?.revision === 1 && first.previousHash !== ''
        ? 'the first record names one before it'
        : unmet(records, expected);
  if (broken !== undefined) {
    run.output.result({ whole: false, broken }, () => `NOT WHOLE: ${broken}`);
    return EXIT.partly;
  }
  const head = last === undefined ? null : { revision: last.revision, hash: auditHash(last) };
  const older = first === undefined || first.previousHash === '' ? 0 : first.revision - 1;
  run.output.result({ whole: true, records: records.length, olderRecords: older, head }, () =>
    [
      `${records.length} records, each holds the hash of the one before it`,
      ...(older === 0 ? [] : [`${older} older records were not looked at`]),
      ...(head === null ? [] : [`keep for next time: --expect ${head.revision}=${head.hash}`]),
    ].join('\n'),
  );
  return EXIT.done;
}

interface Expectation {
  readonly revision: number;
  readonly hash: string;
}

function expectation(text: string | undefined): Expectation | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,15})=([0-9a-f]{64})$/.exec(text);
  if (match === null)
    throw new ProblemError(
      problem('INVALID_REQUEST', '--expect is like 12=<64 hex digits>, as verify prints it'),
    );
  return { revision: Number(match[1]), hash: match[2] ?? '' };
}

function unmet(records: Records, expected: Expectation | undefined): string | undefined {
  if (expected === undefined) return undefined;
  const record = records.find(({ revision }) => revision === expected.revision);
  if (record === undefined)
    return `there is no record ${expected.revision} among the newest ${records.length}`;
  return auditHash(record) === expected.hash ? undefined : `record ${expected.revision} has another hash`;
}
