import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Command } from 'commander';
import { z } from 'zod';
import {
  type CliWorld,
  type CommandRun,
  numberOption,
  runs,
  textOption,
  withRegionOptions,
} from '../command-frame.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { JsonClient } from '../http/json-client.ts';
import { table } from '../output.ts';
import { regionTarget, token } from '../target/region-target.ts';
import { gather, parseKeys, splitOnCommas } from './keys-option.ts';

/** Statuses that a read may carry although parts of it are missing. */
const ANSWERS = [421, 403, 503, 504];
const MAX_AGE_LIMIT_MS = 10 * 365 * 86_400_000;
/** Characters of one value in a table; `--json` shows all. */
const MAX_CELL = 40;

const matrixSchema = z.looseObject({
  group: z.string(),
  as: z.string().nullish(),
  version: z.number(),
  region: z.string(),
  rowIndex: z.array(z.number()).nullish(),
  names: z.array(z.string()),
  columns: z.array(z.array(z.unknown())).nullish(),
  statuses: z.array(z.union([z.string(), z.array(z.string())])).nullish(),
  eventTimes: z.array(z.string().nullable()).nullish(),
  source: z
    .looseObject({
      region: z.string().nullish(),
      replica: z.boolean().nullish(),
      lagMs: z.number().nullish(),
    })
    .nullish(),
  problem: z.looseObject({ code: z.string(), region: z.string().nullish() }).nullish(),
});
const answerSchema = z.looseObject({ rows: z.number(), results: z.array(matrixSchema) });

type Matrix = z.infer<typeof matrixSchema>;

/** `fmesh read`: one online read through the region's gateway, or with `--direct` from the region alone. */
export function registerRead(program: Command, world: CliWorld): void {
  const command = withRegionOptions(program.command('read'))
    .description('read features of one or more entities')
    .option('--service <name>', 'a feature service')
    .option('--features <list>', 'feature references, comma-separated: group:feature,[home/]group@v2:feature')
    .option('--key <name=values>', 'join key; several values make several rows; repeat for each key', gather)
    .option('--keys <json>', 'join keys as JSON, where their types matter')
    .option('--context <json>', 'request context as JSON')
    .option('--max-age-ms <n>', 'shorten the maximum age')
    .option('--max-lag-ms <n>', 'accept only copies within this lag')
    .option('--after <position>', 'wait for a position that a write returned')
    .option('--consistency <c>', 'nearest or home')
    .option('--purpose <purpose>', 'purpose of the caller')
    .option('--include-stale', 'show values beyond their maximum age')
    .option('--direct', 'ask the region service itself instead of its gateway')
    .addHelpText(
      'after',
      `
Examples:
  fmesh read --features airport_profile:city,airport_delays:mean_delay_min --key airport=SEA,DEN
  fmesh read --service delay_model --key origin=SEA --key destination=DEN,JFK --region eu-west-1
  fmesh read --features users:clicks --keys '{"user": 7}' --json`,
    );
  runs(world, command, read);
}

async function read(run: CommandRun): Promise<ExitCode> {
  const target = regionTarget(run);
  const url = run.options['direct'] === true ? target.url : target.gatewayUrl;
  const client = new JsonClient(url, token(run));
  try {
    const value = await client.post('/v1/online/read', { json: requestOf(run) }, { accepted: ANSWERS });
    const parsed = answerSchema.safeParse(value);
    if (!parsed.success) return await asProblem(client, run);
    run.output.result(value, () => parsed.data.results.map(draw).join('\n\n'));
    return parsed.data.results.some(result => result.problem != null) ? EXIT.partly : EXIT.done;
  } finally {
    await client.close();
  }
}

/** Repeats the request without accepting error statuses, so that the problem document is raised as such. */
async function asProblem(client: JsonClient, run: CommandRun): Promise<ExitCode> {
  await client.post('/v1/online/read', { json: requestOf(run) });
  throw new ProblemError(problem('INTERNAL', 'the answer does not have the documented shape'));
}

function requestOf(run: CommandRun): Record<string, unknown> {
  const features = textOption(run, 'features');
  const after = textOption(run, 'after');
  const bounds = { min: 0, max: MAX_AGE_LIMIT_MS };
  return withoutUndefined({
    service: textOption(run, 'service'),
    features: features === undefined ? undefined : splitOnCommas(features),
    keys: { ...jsonOption(run, 'keys'), ...parseKeys((run.options['key'] as string[] | undefined) ?? []) },
    context: textOption(run, 'context') === undefined ? undefined : jsonOption(run, 'context'),
    maxAgeMs: numberOption(run, 'maxAgeMs', bounds),
    maxLagMs: numberOption(run, 'maxLagMs', bounds),
    consistency: after === undefined ? textOption(run, 'consistency') : { after },
    purpose: textOption(run, 'purpose'),
    includeStale: run.options['includeStale'] === true ? true : undefined,
  });
}

function jsonOption(run: CommandRun, name: string): Record<string, unknown> {
  const text = textOption(run, name);
  if (text === undefined) return {};
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch (error) {
    throw new ProblemError(problem('INVALID_REQUEST', `--${name} must be a JSON object`), { cause: error });
  }
}

function draw(result: Matrix): string {
  const title = `${result.group}@v${result.version}${result.as == null ? '' : ` as ${result.as}`}, from ${result.region}${lag(result)}`;
  if (result.problem != null) {
    const { code, ...more } = result.problem;
    return `${title}\n  ${code} ${JSON.stringify(more)}`;
  }
  const columns = result.columns ?? [];
  const count = result.eventTimes?.length ?? columns[0]?.length ?? 0;
  const rows = (result.rowIndex ?? Array.from({ length: count }, (_, row) => row)).flatMap((at, row) =>
    at < 0
      ? []
      : [
          [
            String(row),
            ...result.names.map((_, column) => cell(result, column, at)),
            result.eventTimes?.[at] ?? '',
          ],
        ],
  );
  return `${title}\n${table(['row', ...result.names, 'event time'], rows)}`;
}

function lag(result: Matrix): string {
  if (result.source?.replica !== true) return '';
  return ` (replica${result.source.lagMs == null ? '' : `, lag ${Math.round(result.source.lagMs)} ms`})`;
}

function cell(result: Matrix, column: number, at: number): string {
  const status = result.statuses?.[column];
  const word = typeof status === 'string' ? status : status?.[at];
  const value = result.columns?.[column]?.[at];
  if (value === null || value === undefined) return word ?? '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const short = text.length > MAX_CELL ? `${text.slice(0, MAX_CELL)}…` : text;
  return word === 'PRESENT' || word === undefined ? short : `${short} (${word})`;
}

function withoutUndefined(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
}
