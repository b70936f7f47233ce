import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { systemTimer } from '@featuremesh/runtime/timer';
import { bulkWrite } from './bench/bulk-write.ts';
import { type Comparison, comparison, comparisonTable } from './bench/comparison.ts';
import { decode } from './bench/decode.ts';
import type { BenchContext, Figure } from './bench/figure.ts';
import { memory } from './bench/memory.ts';
import { onlineStore } from './bench/online-store.ts';
import { appendResult, lastResults, resultOf } from './bench/results.ts';
import { singleWrite } from './bench/single-write.ts';
import { slateRead } from './bench/slate-read.ts';
import { startTime } from './bench/start-time.ts';
import { syncLag } from './bench/sync-lag.ts';
import { readMesh } from './mesh/mesh-regions.ts';

const FIGURES: readonly Figure[] = [
  decode,
  bulkWrite,
  singleWrite,
  slateRead,
  onlineStore,
  syncLag,
  memory,
  startTime,
];
const DEFAULT_SECONDS = 10;
/** Beside its measurements a figure loads data and starts servers. */
const PREPARATION_S = 120;

const usage = `npm run bench -- [name …] [options]

${FIGURES.map(({ name, about }) => `  ${name.padEnd(13)} ${about}`).join('\n')}

  --data-dir DIR   folder of the running mesh (.featuremesh; FEATUREMESH_DATA_DIR)
  --seconds N      length of one measurement (${DEFAULT_SECONDS})
  --compare        at the end a table of how each figure changed since the last result; changes beyond noise are marked
  --json           that comparison as JSON, a line a variant, in place of the table
  --no-save        print only; otherwise a line a result goes to load-tests/results/<name>.jsonl

Without a name, all are measured. Start a mesh first in another terminal: npm start`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'data-dir': { type: 'string' },
    seconds: { type: 'string' },
    compare: { type: 'boolean' },
    json: { type: 'boolean' },
    'no-save': { type: 'boolean' },
    help: { type: 'boolean' },
  },
});

const stopping = new AbortController();
process.on('SIGINT', () => stopping.abort());
process.on('SIGTERM', () => stopping.abort());
// What a figure that ran out of time left behind does not keep the process.
process.exit(await main());

async function main(): Promise<number> {
  const unknown = positionals.filter(name => !FIGURES.some(figure => figure.name === name));
  const seconds = Number(options.seconds ?? DEFAULT_SECONDS);
  if (options.help === true || unknown.length > 0 || !(seconds >= 1)) {
    if (unknown.length > 0) say(`there is no figure ${unknown.join(', ')}`);
    say(usage);
    return options.help === true ? 0 : 2;
  }
  const figures = FIGURES.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const dataDir = dataFolder();
  const meshPath = join(dataDir, 'mesh.json');
  if (figures.some(({ needsMesh }) => needsMesh) && !existsSync(meshPath)) {
    say(
      `no mesh runs from ${dataDir}; start one in another terminal and wait until it is ready:\n  npm start`,
    );
    return 1;
  }
  const mesh = existsSync(meshPath) ? readMesh(meshPath) : { profile: 'embedded', regions: [] };
  let failed = 0;
  const compared: Comparison[] = [];
  for (const figure of figures) {
    if (stopping.signal.aborted) break;
    failed += await measure(figure, { mesh, dataDir, seconds, say }, compared);
  }
  if (options.compare === true) tell(compared);
  return failed === 0 ? 0 : 1;
}

/** Measures a figure within its bound; 1 where it could not be measured, which does not keep the others from being measured. */
async function measure(
  figure: Figure,
  context: Omit<BenchContext, 'signal'>,
  compared: Comparison[],
): Promise<number> {
  say(`${figure.name}: ${figure.about}`);
  const before = lastResults(figure.name);
  const { seconds, mesh } = context;
  const ended = new AbortController();
  const boundS = PREPARATION_S + 2 * figure.maxMeasurements * seconds;
  const bound = systemTimer.sleep(boundS * 1_000, ended.signal).then(() => undefined);
  const late = new AbortController();
  const signal = AbortSignal.any([stopping.signal, late.signal]);
  const measurements = figure.run({ ...context, signal });
  try {
    while (!signal.aborted) {
      const next = await Promise.race([measurements.next(), bound]);
      if (next === undefined) {
        late.abort();
        throw new Error(`it was not done after ${boundS} s`);
      }
      if (next.done === true) return 0;
      const result = resultOf(next.value, { figure: figure.name, profile: mesh.profile, seconds });
      if (options.json !== true) process.stdout.write(`${JSON.stringify(result)}\n`);
      if (options['no-save'] !== true) appendResult(result);
      const last = before.get(result.variant);
      if (last !== undefined) compared.push(comparison(last, result));
    }
    return 0;
  } catch (error) {
    say(`${figure.name} could not be measured: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    ended.abort();
  }
}

function tell(compared: readonly Comparison[]): void {
  if (options.json === true) for (const one of compared) process.stdout.write(`${JSON.stringify(one)}\n`);
  else if (compared.length > 0) say(comparisonTable(compared));
  else say('nothing to compare with');
}

function dataFolder(): string {
  const named = options['data-dir'] ?? process.env['FEATUREMESH_DATA_DIR'];
  return named === undefined || named === ''
    ? fileURLToPath(new URL('../.featuremesh', import.meta.url))
    : resolve(named);
}

/** For people; standard output carries results only. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
