import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { WriteAnswer } from '@featuremesh/contracts/http-rows';
import { writeAnswerSchema } from '@featuremesh/contracts/http-rows';
import { ERRORS, type ErrorCode } from '@featuremesh/domain/error-catalogue';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Command } from 'commander';
import { type CliWorld, type CommandRun, runs, textOption, withRegionOptions } from '../command-frame.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import type { JsonClient, RequestBody } from '../http/json-client.ts';
import { nextStep } from '../next-step.ts';
import { table } from '../output.ts';
import { regionClient } from '../target/region-target.ts';
import { gather, parseKeys } from './keys-option.ts';

/** Rejections listed for a person; `--json` shows all that the region listed. */
const MAX_SHOWN_REJECTIONS = 20;
/** Statuses with a write answer in the body: none, some, all rejected. */
const WRITE_ANSWERS = [207, 422];

/** `fmesh write`: one row from options, or rows from a JSON file. */
export function registerWrite(program: Command, world: CliWorld): void {
  const command = withRegionOptions(program.command('write <group>'))
    .description('write one row, or the rows of a small JSON file, to a feature group')
    .option('--key <name=value>', 'join key; repeat for each', gather)
    .option('--event-time <instant>', 'when the fact was true, RFC 3339; default: now')
    .option('--feature <name=value>', 'a feature; the value as JSON, else as text; repeat for each', gather)
    .option('--features <json>', 'features as a JSON object')
    .option('--keys <json>', 'join keys as a JSON object, where their types matter')
    .option('--deleted', 'write a deletion')
    .option('--file <file>', 'JSON `{"rows": […]}` or an array of rows; `-` reads standard input')
    .option('--idempotency-key <key>', 'makes a retry safe for 24 hours')
    .option('--atomic', 'reject all rows where one is rejected (at most 512)')
    .option('--non-finite <how>', 'NaN and infinities: refuse (default) or null')
    .addHelpText(
      'after',
      `
Examples:
  fmesh write airport_weather --key airport=SEA --feature temperature_c=12.5
  fmesh write users --keys '{"user": 7}' --features '{"clicks_24h": 12}'
  fmesh write airport_weather --key airport=SEA --deleted
  fmesh write users --file rows.json --idempotency-key load-7
Larger files: fmesh import`,
    );
  runs(world, command, write);
}

async function write(run: CommandRun): Promise<ExitCode> {
  const group = String(run.args[0]);
  const rows = await rowsOf(run);
  const { client } = regionClient(run);
  const key = textOption(run, 'idempotencyKey');
  try {
    const answer = await postRows(
      client,
      group,
      { json: { rows } },
      {
        query: writeQuery(run),
        ...(key === undefined ? {} : { idempotencyKey: key }),
      },
    );
    run.output.result(answer, () => drawWriteAnswer(answer));
    return exitOfWrite(answer);
  } finally {
    await client.close();
  }
}

/** Posts rows to a group. Rejections are part of the answer; everything else that fails is a ProblemError. */
export async function postRows(
  client: JsonClient,
  group: string,
  body: RequestBody,
  options: { query?: string; idempotencyKey?: string } = {},
): Promise<WriteAnswer> {
  const path = `/v1/groups/${group.split('/').map(encodeURIComponent).join('/')}/rows${options.query ?? ''}`;
  const value = await client.post(path, body, {
    accepted: WRITE_ANSWERS,
    headers: options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey },
  });
  const parsed = writeAnswerSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw client.problemOf(422, value);
}

/** Exit status of a write: partly done where some rows are in the region, by this request or an earlier one of the same key. */
export function exitOfWrite(
  answer: Pick<WriteAnswer, 'accepted' | 'duplicates' | 'rejectedTotal'>,
): ExitCode {
  if (answer.rejectedTotal === 0) return EXIT.done;
  return answer.accepted + answer.duplicates > 0 ? EXIT.partly : EXIT.invalid;
}

/** What to do about rejected rows, one line for each code that has an answer. */
export function rejectionSteps(rejected: readonly { readonly code: string }[]): string {
  const codes = [...new Set(rejected.map(({ code }) => code))];
  return codes
    .flatMap(code => {
      const step = isErrorCode(code) ? nextStep(code) : undefined;
      return step === undefined ? [] : [`\n  Next (${code}): ${step}`];
    })
    .join('');
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

/** The query of a write by its options. */
export function writeQuery(run: CommandRun): string {
  const nonFinite = textOption(run, 'nonFinite');
  if (nonFinite !== undefined && nonFinite !== 'null' && nonFinite !== 'refuse')
    throw new ProblemError(problem('INVALID_REQUEST', '--non-finite is null or refuse'));
  const query = new URLSearchParams({
    ...(run.options['atomic'] === true ? { onReject: 'fail' } : {}),
    ...(nonFinite === undefined ? {} : { nonFinite }),
  });
  return query.size === 0 ? '' : `?${query}`;
}

/** A write's answer for a person. */
function drawWriteAnswer(answer: WriteAnswer): string {
  const head = `accepted ${answer.accepted}, duplicates ${answer.duplicates}, rejected ${answer.rejectedTotal}; online ${answer.online}`;
  const position = answer.position === null ? '' : `\nposition ${answer.position}`;
  if (answer.rejectedTotal === 0) return head + position;
  const shown = answer.rejected.slice(0, MAX_SHOWN_REJECTIONS);
  const more =
    answer.rejectedTotal > shown.length ? `\n… and ${answer.rejectedTotal - shown.length} more` : '';
  return `${head}${position}\n${table(
    ['row', 'code', 'why'],
    shown.map(one => [one.index, one.code, one.message]),
  )}${more}${rejectionSteps(answer.rejected)}`;
}

async function rowsOf(run: CommandRun): Promise<unknown> {
  const file = textOption(run, 'file');
  if (file === undefined) return [oneRow(run)];
  const content =
    file === '-' ? await text(run.world.stdin) : await readFile(resolve(run.world.cwd, file), 'utf8');
  const value = parseJson(content, file);
  return Array.isArray(value) ? value : (value as { rows?: unknown } | null)?.rows;
}

function oneRow(run: CommandRun): Record<string, unknown> {
  const keys = (run.options['key'] as string[] | undefined) ?? [];
  const typed = objectOption(run, 'keys');
  if (keys.length === 0 && Object.keys(typed).length === 0) {
    throw new ProblemError(
      problem('INVALID_REQUEST', 'give the row with --key and --feature, or a file with --file'),
    );
  }
  const eventTime = textOption(run, 'eventTime') ?? new Date(run.world.clock.nowMs()).toISOString();
  const row = { key: { ...typed, ...parseKeys(keys) }, eventTime };
  if (run.options['deleted'] === true) return { ...row, deleted: true };
  const named = ((run.options['feature'] as string[] | undefined) ?? []).map(namedValue);
  return { ...row, features: { ...objectOption(run, 'features'), ...Object.fromEntries(named) } };
}

/** `clicks=12` is a number, `city=Seattle` a text; whole numbers beyond 2^53 stay text, as the rows API takes them. */
function namedValue(text: string): [string, unknown] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new ProblemError(problem('INVALID_REQUEST', '--feature is written name=value'));
  const [name, value] = [text.slice(0, equals), text.slice(equals + 1)];
  if (/^-?\d+$/.test(value) && !Number.isSafeInteger(Number(value))) return [name, value];
  try {
    return [name, JSON.parse(value)];
  } catch {
    return [name, value];
  }
}

function objectOption(run: CommandRun, name: string): Record<string, unknown> {
  const value = parseJson(textOption(run, name) ?? '{}', `--${name}`);
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new ProblemError(problem('INVALID_REQUEST', `--${name} must be a JSON object`));
}

function parseJson(content: string, what: string): unknown {
  try {
    return JSON.parse(content);
  } catch (error) {
    throw new ProblemError(problem('MALFORMED_JSON', `${what} is not valid JSON`), { cause: error });
  }
}
