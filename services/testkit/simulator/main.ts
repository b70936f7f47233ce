import { parseArgs } from 'node:util';
import { MAX_REGIONS } from './catalogue.ts';
import { PLANTED, type PlantedDefect } from './planted.ts';
import { runSimulation } from './run.ts';

const USAGE = `usage: npm run sim -- [--seed SEED] [--runs N] [--regions 2..${MAX_REGIONS}] [--defect NAME] [--trace]
  --seed SEED    base of the seeds (default: the time); run i uses SEED/i, a seed with a slash is used as it is
  --runs N       number of runs (default 100, and 1 for a seed with a slash)
  --regions N    fixed number of regions (default: drawn)
  --defect NAME  plants a defect: ${Object.keys(PLANTED).join(', ')}
  --trace        prints what happens
`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    runs: { type: 'string' },
    regions: { type: 'string' },
    defect: { type: 'string' },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

process.exitCode = values.help ? usage(0) : await main();

async function main(): Promise<number> {
  const base = values.seed ?? String(Date.now());
  const runs = values.runs === undefined ? (base.includes('/') ? 1 : 100) : Number(values.runs);
  const regions = values.regions === undefined ? undefined : Number(values.regions);
  const defect = values.defect as PlantedDefect | undefined;
  const known = defect === undefined || defect in PLANTED;
  const sized =
    regions === undefined || (Number.isInteger(regions) && regions >= 2 && regions <= MAX_REGIONS);
  if (!known || !sized || !Number.isInteger(runs) || runs < 1) return usage(2);
  const more = `${regions === undefined ? '' : ` --regions ${regions}`}${defect === undefined ? '' : ` --defect ${defect}`}`;
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const startedAt = performance.now();
  const seedOf = (run: number): string => (base.includes('/') && runs === 1 ? base : `${base}/${run}`);
  let current = '';
  process.on('uncaughtException', error => {
    say(`seed ${current} ended in an error that nobody handled: ${error.stack ?? error.message}`);
    say(`again: npm run sim -- --seed ${current}${more} --trace`);
    process.exit(1);
  });
  for (let run = 0; run < runs; run++) {
    current = seedOf(run);
    const result = await runSimulation({
      seed: current,
      ...(regions === undefined ? {} : { regions }),
      ...(defect === undefined ? {} : { defect }),
      ...(values.trace ? { trace: say } : {}),
    });
    if (result.violations.length > 0) {
      say(`seed ${current} failed (${result.summary}):`);
      for (const { invariant, what } of result.violations.slice(0, 20)) say(`  ${invariant}: ${what}`);
      if (result.violations.length > 20) say(`  … ${result.violations.length} in all`);
      say(`again: npm run sim -- --seed ${current}${more} --trace`);
      return 1;
    }
    if (runs === 1) say(`seed ${current}: ${result.summary}`);
    if ((run + 1) % 100 === 0) say(`${run + 1} runs clean`);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  say(`${runs} runs clean from seed ${base} in ${seconds.toFixed(1)} s`);
  return 0;
}

function usage(code: number): number {
  process.stdout.write(USAGE);
  return code;
}
