import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '@featuremesh/runtime/clock';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { locateSeaweedFs } from '../components/seaweedfs.ts';
import { explainError } from './explain-error.ts';
import { StoreKeeper } from './store-keeper.ts';
import { FAILURE_FILE, type RegionStorePlan } from './store-plan.ts';

const { values } = parseArgs({ options: { plans: { type: 'string' } } });
if (values.plans === undefined)
  throw new Error('usage: node infra/local-mesh/stores-main.ts --plans <plans.json>');
const plans = JSON.parse(readFileSync(values.plans, 'utf8')) as readonly RegionStorePlan[];
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const tools = { clock: systemClock, timer: systemTimer, random: systemRandom, say };

const ended = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ended.abort());
// Whoever started this is gone, perhaps killed: nothing of it may stay. Nobody reads what is said from then on, and that must not end this before its nodes.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
if (process.connected === true) process.on('disconnect', () => ended.abort());

const keepers = plans.map(plan => new StoreKeeper(plan, tools));
try {
  const weed = await locateSeaweedFs();
  // Regions start beside each other, and of one cluster the seeds do.
  await Promise.all(keepers.map(keeper => keeper.start(weed)));
  while (!ended.signal.aborted) await systemTimer.sleep(60_000, ended.signal);
} catch (error) {
  // The launcher reads it, since trying again would meet the same.
  await writeFile(join(dirname(values.plans), FAILURE_FILE), explainError(error));
  process.exitCode = 1;
} finally {
  await Promise.all(keepers.map(keeper => keeper.stop()));
}
if (process.connected === true) process.disconnect();
