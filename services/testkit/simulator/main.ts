import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { type Batch, type BatchNews, runBatch } from './batch.ts';
import { MAX_REGIONS } from './catalogue.ts';
import { PLANTED, type PlantedDefect } from './planted.ts';

/** Runs share nothing, so they spread over the cores; more than this many threads would not fit the memory of a small machine. */
const MAX_WORKERS = 8;

/** A line of progress after so many runs. */
const TELL_EVERY_RUNS = 100;

const USAGE = `usage: npm run sim -- [--seed SEED] [--runs N] [--regions 2..${MAX_REGIONS}] [--defect NAME] [--trace]
  --seed SEED    base of the seeds (default: the time); run i uses SEED/i, a seed with a slash is used as it is
  --runs N       number of runs (default 100, and 1 for a seed with a slash)
  --regions N    fixed number of regions (default: drawn)
  --defect NAME  plants a defect: ${Object.keys(PLANTED).join(', ')}
  --trace        prints what happens; one run after the other
  --workers N    threads (default: one per core)
`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    runs: { type: 'string' },
    regions: { type: 'string' },
    defect: { type: 'string' },
    workers: { type: 'string' },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);

process.exitCode = values.help ? usage(0) : await main();

async function main(): Promise<number> {
  const base = values.seed ?? String(Date.now());
  const runs = numberOf(values.runs) ?? (base.includes('/') ? 1 : 100);
  const regions = numberOf(values.regions);
  const workers = values.trace
    ? 1
    : (numberOf(values.workers) ?? Math.min(availableParallelism(), MAX_WORKERS));
  const defect = values.defect as PlantedDefect | undefined;
  const known = defect === undefined || Object.hasOwn(PLANTED, defect);
  if (!known || !within(regions ?? 2, 2, MAX_REGIONS) || !within(runs, 1, 1e9) || !within(workers, 1, 64))
    return usage(2);
  const batch = { base, runs, regions, defect };
  const again = `${regions === undefined ? '' : ` --regions ${regions}`}${defect === undefined ? '' : ` --defect ${defect}`} --trace`;
  const startedAt = performance.now();
  let clean = 0;
  let failed = false;
  const hear = (news: BatchNews): void => {
    if (news.kind === 'failed') {
      failed = true;
      say(`seed ${news.seed} failed:`);
      for (const line of news.lines) say(`  ${line}`);
      say(`again: npm run sim -- --seed ${news.seed}${again}`);
    }
    if (news.kind !== 'clean') return;
    if (++clean % TELL_EVERY_RUNS === 0) say(`${clean} runs clean`);
    if (runs === 1) say(`seed ${news.seed}: ${news.summary}`);
  };
  const threads = Math.min(workers, runs);
  if (threads === 1) await alone({ ...batch, first: 0, step: 1 }, hear);
  else {
    const shares = Array.from({ length: threads }, (_, first) => ({ ...batch, first, step: threads }));
    await Promise.all(shares.map(share => inWorker(share, hear, () => failed)));
  }
  if (failed) return 1;
  say(`${clean} runs clean from seed ${base} in ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  return 0;
}

/** In this thread, where a debugger and a trace see it. */
async function alone(batch: Batch, hear: (news: BatchNews) => void): Promise<void> {
  let current = '';
  process.once('uncaughtException', error => {
    hear({ kind: 'failed', seed: current, lines: [unhandled(error)] });
    process.exit(1);
  });
  await runBatch(
    batch,
    news => {
      current = news.seed;
      hear(news);
    },
    values.trace ? say : undefined,
  );
}

/** In a thread of its own; ends early where another thread has found a failure. */
function inWorker(batch: Batch, hear: (news: BatchNews) => void, enough: () => boolean): Promise<void> {
  return new Promise(resolve => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: batch });
    let current = '';
    worker.on('message', (news: BatchNews) => {
      current = news.seed;
      if (enough()) void worker.terminate();
      else hear(news);
    });
    worker.on('error', error => hear({ kind: 'failed', seed: current, lines: [unhandled(error)] }));
    worker.on('exit', () => resolve());
  });
}

function unhandled(error: unknown): string {
  return `an error that nobody handled: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function within(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function usage(code: number): number {
  process.stdout.write(USAGE);
  return code;
}
