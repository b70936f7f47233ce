import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { MAX_CHUNK_ROWS } from '@featuremesh/domain/limits';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { type CliWorld, type CommandRun, runs, textOption, withRegionOptions } from '../command-frame.ts';
import type { ExitCode } from '../exit-code.ts';
import type { JsonClient } from '../http/json-client.ts';
import { columnMapping } from '../import/column-mapping.ts';
import { ndjsonLines, type RowLine } from '../import/row-lines.ts';
import { table } from '../output.ts';
import { regionClient } from '../target/region-target.ts';
import { splitOnCommas } from './keys-option.ts';
import { exitOfWrite, postRows, rejectionSteps, writeQuery } from './write.ts';

/** Rows of one request: sixteen chunks of the log, so that a lost answer costs little to send again. */
const REQUEST_ROWS = 16 * MAX_CHUNK_ROWS;
/** Rejections kept for the report. */
const MAX_REPORTED = 1_000;
const MAX_SHOWN = 20;
/** Attempts for a request that failed for a passing reason, and the waits between. */
const MAX_ATTEMPTS = 8;
const FIRST_WAIT_MS = 250;
const MAX_WAIT_MS = 10_000;

interface Totals {
  rows: number;
  accepted: number;
  duplicates: number;
  rejectedTotal: number;
  readonly rejected: { row: number; line: number; code: string; message: string }[];
  position: string | null;
}

/** `fmesh import`: rows from an NDJSON or Parquet file, in requests that a second run recognises. */
export function registerImport(program: Command, world: CliWorld): void {
  const command = withRegionOptions(program.command('import <group> <file>'))
    .description('import rows from NDJSON (`-` reads standard input) or Parquet')
    .option('--keys-from <list>', 'columns of the join keys: key or key=column, comma-separated')
    .option('--event-time-from <column>', 'column of the event time')
    .option('--created-time-from <column>', 'column of the created time')
    .option(
      '--features-from <list>',
      'columns of the features: feature or feature=column (default: all others)',
    )
    .option(
      '--id <text>',
      'name of this import: a second run with the same one within 24 hours repeats nothing',
    )
    .option('--non-finite <how>', 'NaN and infinities: refuse (default) or null')
    .addHelpText(
      'after',
      `
Without column options an NDJSON line is a row of the rows API: {"key":{…},"eventTime":"…","features":{…}}.
A second run of the same file within 24 hours goes over what was accepted without applying it again.

Examples:
  fmesh import airport_delays delays.ndjson
  fmesh import airport_delays delays.parquet --keys-from airport=origin --event-time-from date --features-from mean_delay_min=delay`,
    );
  runs(world, command, runImport);
}

async function runImport(run: CommandRun): Promise<ExitCode> {
  const [group, file] = [String(run.args[0]), String(run.args[1])];
  const { target, client } = regionClient(run);
  const source = await openSource(run, file);
  const importId = textOption(run, 'id') ?? derivedId(run, { group, file, region: target.url });
  const totals: Totals = {
    rows: 0,
    accepted: 0,
    duplicates: 0,
    rejectedTotal: 0,
    rejected: [],
    position: null,
  };
  const bar = run.output.interactive && source.total > 0 ? progressBar(source.total) : undefined;
  try {
    let ordinal = 0;
    let done = 0;
    for await (const batch of inBatches(source.lines())) {
      await sendBatch(run, client, { group, key: `${importId}-${ordinal}`, batch, totals });
      ordinal += 1;
      done += batch.reduce((sum, line) => sum + line.done, 0);
      bar?.update(Math.min(done, source.total), { rows: totals.rows });
    }
  } finally {
    bar?.stop();
    source.close();
    await client.close();
  }
  run.output.result({ group, region: target.id ?? target.url, importId, ...totals }, () =>
    draw(group, totals),
  );
  return exitOfWrite(totals);
}

async function sendBatch(
  run: CommandRun,
  client: JsonClient,
  work: { group: string; key: string; batch: readonly RowLine[]; totals: Totals },
): Promise<void> {
  const ndjson = `${work.batch.map(line => line.line).join('\n')}\n`;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await postRows(
        client,
        work.group,
        { ndjson },
        { idempotencyKey: work.key, query: writeQuery(run) },
      );
      const { totals } = work;
      for (const one of answer.rejected) {
        const line = work.batch[one.index]?.number ?? 0;
        const { index, code, message } = one;
        if (totals.rejected.length < MAX_REPORTED)
          totals.rejected.push({ row: totals.rows + index, line, code, message });
      }
      totals.rows += work.batch.length;
      totals.accepted += answer.accepted;
      totals.duplicates += answer.duplicates;
      totals.rejectedTotal += answer.rejectedTotal;
      totals.position = answer.position ?? totals.position;
      return;
    } catch (error) {
      if (!(error instanceof ProblemError) || !isPassing(error) || attempt === MAX_ATTEMPTS) throw error;
      const waitMs = Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), MAX_WAIT_MS);
      run.output.note(
        `${error.problem.code}; sent again in ${waitMs} ms (attempt ${attempt + 1} of ${MAX_ATTEMPTS})`,
      );
      await run.world.timer.sleep(waitMs);
    }
  }
}

function isPassing(error: ProblemError): boolean {
  return [
    'OVERLOADED',
    'LOG_UNAVAILABLE',
    'LOG_FULL',
    'NOT_ENFORCED_YET',
    'REGION_UNAVAILABLE',
    'STORE_UNAVAILABLE',
    'SHUTTING_DOWN',
    'IDEMPOTENCY_INDEX_FULL',
  ].includes(error.problem.code);
}

async function openSource(
  run: CommandRun,
  file: string,
): Promise<{ total: number; lines: () => AsyncGenerator<RowLine>; close: () => void }> {
  const mapping = columnMapping({
    keyColumns: listOption(run, 'keysFrom'),
    eventTimeColumn: textOption(run, 'eventTimeFrom'),
    createdTimeColumn: textOption(run, 'createdTimeFrom'),
    featureColumns: listOption(run, 'featuresFrom'),
  });
  if (file === '-')
    return {
      total: 0,
      lines: () => ndjsonLines(run.world.stdin as Readable, mapping),
      close: () => undefined,
    };
  const path = resolve(run.world.cwd, file);
  if (/\.parquet$/i.test(path)) {
    if (mapping === undefined)
      throw new ProblemError(
        problem('INVALID_REQUEST', 'a Parquet file needs --keys-from and --event-time-from'),
      );
    // Loaded here only: the reader's native library would cost every other command its start time and memory.
    const { openParquet } = await import('../adapters/duckdb/parquet-lines.ts');
    const parquet = await openParquet(path, mapping);
    return { total: parquet.rows, lines: () => parquet.lines(), close: () => parquet.close() };
  }
  return { total: sizeOf(path), lines: () => ndjsonLines(path, mapping), close: () => undefined };
}

async function* inBatches(lines: AsyncGenerator<RowLine>): AsyncGenerator<readonly RowLine[]> {
  let batch: RowLine[] = [];
  for await (const line of lines) {
    batch.push(line);
    if (batch.length < REQUEST_ROWS) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** The same file with the same options gives the same id, so that an import that broke off can simply be run again. */
function derivedId(run: CommandRun, what: { group: string; file: string; region: string }): string {
  const path = resolve(run.world.cwd, what.file);
  const stats = what.file === '-' ? undefined : statSync(path);
  const identity = [
    what.group,
    what.region,
    path,
    stats?.size,
    stats?.mtimeMs ?? run.world.random.base32(16),
    ...['keysFrom', 'eventTimeFrom', 'createdTimeFrom', 'featuresFrom', 'nonFinite'].map(name =>
      textOption(run, name),
    ),
  ];
  return `import-${createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 24)}`;
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    throw new ProblemError(problem('INVALID_REQUEST', `${path} cannot be read`), { cause: error });
  }
}

function listOption(run: CommandRun, name: string): readonly string[] {
  const text = textOption(run, name);
  return text === undefined ? [] : splitOnCommas(text);
}

function progressBar(total: number): SingleBar {
  const bar = new SingleBar({
    format: 'importing {bar} {percentage}% | {rows} rows | {duration_formatted}',
    hideCursor: true,
    stream: process.stderr,
  });
  bar.start(total, 0, { rows: 0 });
  return bar;
}

function draw(group: string, totals: Totals): string {
  const head = `${group}: ${totals.rows} rows sent, ${totals.accepted} accepted, ${totals.duplicates} duplicates, ${totals.rejectedTotal} rejected`;
  if (totals.rejectedTotal === 0) return head;
  const shown = totals.rejected.slice(0, MAX_SHOWN);
  return `${head}\n${table(
    ['line', 'code', 'why'],
    shown.map(one => [one.line, one.code, one.message]),
  )}${rejectionSteps(totals.rejected)}`;
}
