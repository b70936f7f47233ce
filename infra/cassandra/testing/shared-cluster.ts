import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isAlive } from '@featuremesh/runtime/process-identity';
import { systemTimer } from '@featuremesh/runtime/timer';
import { freePort, isFree } from '../../ports/free-port.ts';
import { LocalCassandra } from '../local-cassandra.ts';
import type { LocalClusterPlan } from '../node-layout.ts';

const PREFIX = 'featuremesh-cassandra-';
/** Stands in the folder once the nodes have answered. */
const READY = 'ready';
const PLAN = 'plan.json';
/** Process id of the test runner, for processes that tests start. */
const RUNNER_VARIABLE = 'FEATUREMESH_TEST_RUNNER';
/** Longest wait for a cluster that another test process is starting, with a cold cache. */
const START_WAIT_MS = 180_000;
const POLL_MS = 200;
const KEEPER = fileURLToPath(new URL('keeper.ts', import.meta.url));

/**
 * The cluster of this test run: two data centres of one node, with passwords and TLS, started by the first test that asks and ended,
 * with its data, when the test runner that started this process is gone. Every test makes keyspaces of its own in it.
 */
export async function sharedCluster(): Promise<LocalCassandra> {
  const runner = Number(process.env[RUNNER_VARIABLE] ?? process.ppid);
  // What this test starts is another step away from the runner.
  process.env[RUNNER_VARIABLE] = String(runner);
  const folder = join(tmpdir(), `${PREFIX}${runner}`);
  const isFirst = await mkdir(folder).then(
    () => true,
    () => false,
  );
  if (isFirst) {
    await endAbandoned();
    const plan = await planOf(folder, runner);
    await writeFile(join(folder, PLAN), JSON.stringify(plan));
    spawn(process.execPath, [KEEPER, folder, String(runner)], { detached: true, stdio: 'ignore' }).unref();
    const cluster = await LocalCassandra.open(plan, text => process.stdout.write(`${text}\n`));
    await cluster.start();
    await writeFile(join(folder, READY), '');
    return cluster;
  }
  for (let waitedMs = 0; !existsSync(join(folder, READY)); waitedMs += POLL_MS) {
    if (waitedMs >= START_WAIT_MS) throw new Error('the shared Cassandra did not start in another test file');
    await systemTimer.sleep(POLL_MS);
  }
  const cluster = await clusterIn(folder);
  if (cluster === undefined) throw new Error('the shared Cassandra has no plan');
  // A test that killed a node and failed before it started it again leaves the others what they need.
  await cluster.start();
  return cluster;
}

/** The cluster whose folder this is; undefined where its plan was not written yet. */
export async function clusterIn(folder: string): Promise<LocalCassandra | undefined> {
  const text = await readFile(join(folder, PLAN), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : LocalCassandra.open(JSON.parse(text) as LocalClusterPlan);
}

async function planOf(folder: string, runner: number): Promise<LocalClusterPlan> {
  const network = 16 + (runner % 200);
  const [cqlPort, storagePort, jmxPort] = await freePorts();
  return {
    folder,
    dataCentres: ['dc1', 'dc2'],
    network,
    cqlPort,
    storagePort,
    jmxPort,
    heapMb: 384,
    authentication: true,
    tls: true,
    commitLogSync: 'periodic',
    flushSchema: false,
    quickStart: true,
  };
}

/** Ends what a test run left that was killed together with its keeper. */
async function endAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const runner = Number(name.startsWith(PREFIX) ? name.slice(PREFIX.length) : Number.NaN);
    if (!Number.isInteger(runner) || isAlive({ pid: runner })) continue;
    const cluster = await clusterIn(join(tmpdir(), name));
    await cluster?.kill();
    await cluster?.remove();
  }
}

/** Ports that nobody holds now, on loopback; the third is followed by a free one for the second node. */
async function freePorts(): Promise<[number, number, number]> {
  for (;;) {
    const ports: [number, number, number] = [await freePort(), await freePort(), await freePort()];
    if (await isFree(ports[2] + 1)) return ports;
  }
}
