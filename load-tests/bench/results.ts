import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Measurement } from './figure.ts';
import { rounded } from './http-load.ts';

const FOLDER = fileURLToPath(new URL('../results', import.meta.url));
/** Where git is asked: a folder that every clone has, which one without results has not. */
const SOURCE_FOLDER = fileURLToPath(new URL('.', import.meta.url));
const GIB = 1024 ** 3;

const valuesSchema = z.record(z.string(), z.number());
const resultSchema = z.object({
  at: z.string(),
  commit: z.string(),
  machine: z.object({
    cpu: z.string(),
    cores: z.int(),
    memoryGib: z.number(),
    node: z.string(),
    /** Mean number of runnable tasks over the last minute, the measurement's own included. */
    load1m: z.number().optional(),
  }),
  profile: z.string(),
  figure: z.string(),
  variant: z.string(),
  seconds: z.number(),
  values: valuesSchema,
  echo: valuesSchema.optional(),
  limit: valuesSchema.optional(),
  note: z.string().optional(),
});

/** One line of results/<figure>.jsonl. */
export type BenchResult = z.infer<typeof resultSchema>;

/** A measurement with where and when it was made. `commit` ends in `+` where the work tree differs from it. */
export function resultOf(
  measurement: Measurement,
  run: { readonly figure: string; readonly profile: string; readonly seconds: number },
): BenchResult {
  return {
    at: new Date().toISOString(),
    commit: commit(),
    machine: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: cpus().length,
      memoryGib: Math.round(totalmem() / GIB),
      node: process.version,
      load1m: rounded(loadavg()[0] ?? 0),
    },
    ...run,
    ...measurement,
  };
}

/** Appends a result to the file of its figure. */
export function appendResult(result: BenchResult, folder = FOLDER): void {
  mkdirSync(folder, { recursive: true });
  appendFileSync(join(folder, `${result.figure}.jsonl`), `${JSON.stringify(result)}\n`);
}

/** The newest result of each variant of a figure; lines that cannot be read are passed over. */
export function lastResults(figure: string, folder = FOLDER): ReadonlyMap<string, BenchResult> {
  const path = join(folder, `${figure}.jsonl`);
  const last = new Map<string, BenchResult>();
  if (!existsSync(path)) return last;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const parsed = resultSchema.safeParse(readJson(line));
    if (parsed.success) last.set(parsed.data.variant, parsed.data);
  }
  return last;
}

function readJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: SOURCE_FOLDER,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', ':/', ':!/load-tests/results');
    return `${git('rev-parse', '--short', 'HEAD')}${changed === '' ? '' : '+'}`;
  } catch {
    return 'unknown';
  }
}
