import { identify, isAlive } from '@featuremesh/runtime/process-identity';
import { systemTimer } from '@featuremesh/runtime/timer';
import { clusterIn } from './shared-cluster.ts';

const POLL_MS = 500;

const [folder, runner] = process.argv.slice(2);
if (folder === undefined || runner === undefined) throw new Error('usage: keeper.ts <folder> <pid>');
// Signals of the terminal are for the test runner; the cluster ends with it.
process.on('SIGINT', () => undefined);
const watched = identify(Number(runner));
while (watched !== undefined && isAlive(watched)) await systemTimer.sleep(POLL_MS);
const cluster = await clusterIn(folder);
await cluster?.kill();
await cluster?.remove();
