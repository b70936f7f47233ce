import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, openSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { isOurs, readPidFiles, removePidFile, writePidFile } from '@featuremesh/cli/region/pid-file';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { systemTimer } from '@featuremesh/runtime/timer';
import { type CassandraJars, locateCassandra } from '../components/cassandra.ts';
import { locateJava } from '../components/java.ts';
import { answersCql } from './cql-probe.ts';
import { nodetoolArguments, serverArguments } from './java-options.ts';
import { seedNodesOf, writeNodeFiles } from './node-files.ts';
import { type LocalClusterPlan, type LocalNode, nodeMemoryMb, nodesOf } from './node-layout.ts';

const run = promisify(execFile);

/** Longest start of one node on a busy machine; 5 to 6 s were measured on an idle one. */
const START_TIMEOUT_MS = 120_000;
/** Patience after SIGTERM, in which a node drains its commit log. */
const STOP_TIMEOUT_MS = 30_000;
const POLL_MS = 100;
const PROBE_MS = 1_000;
/** Lines of a node's log that a failed start shows. */
const SHOWN_LOG_LINES = 12;

/**
 * A Cassandra cluster on this machine, for the demo and for tests. What runs is known by process files in its folder, so that any
 * process may start, stop or kill a node of it, also after the one that started it died. Data is kept until the folder is removed.
 */
export class LocalCassandra {
  readonly plan: LocalClusterPlan;
  readonly nodes: readonly LocalNode[];
  readonly #java: string;
  readonly #jars: CassandraJars;

  private constructor(plan: LocalClusterPlan, java: string, jars: CassandraJars) {
    this.plan = plan;
    this.nodes = nodesOf(plan);
    this.#java = java;
    this.#jars = jars;
  }

  /** Finds Java and the jars; starts nothing. Throws ComponentMissing with the remedy. */
  static async open(plan: LocalClusterPlan, announce?: (text: string) => void): Promise<LocalCassandra> {
    const java = await locateJava();
    return new LocalCassandra(plan, java, await locateCassandra(announce));
  }

  /** Starts the nodes that do not run, seeds first and side by side, until each answers CQL. Throws START_FAILED, also where memory is short. */
  async start(): Promise<void> {
    const stopped = this.nodes.filter(node => !this.isRunning(node.index));
    refuseTooLittleMemory(this.plan, stopped.length);
    if (this.plan.tls) await this.#tlsPassword();
    const seeds = seedNodesOf(this.nodes);
    // Only a seed starts alone; the others must find one that answers.
    for (const some of [
      stopped.filter(node => seeds.includes(node)),
      stopped.filter(node => !seeds.includes(node)),
    ])
      await allOf(some.map(({ index }) => this.startNode(index)));
  }

  /** Starts one node on the data it has, and waits until it answers CQL. Throws START_FAILED with the end of its log. */
  async startNode(index: number): Promise<void> {
    const node = this.#node(index);
    const tlsPassword = this.plan.tls ? await this.#tlsPassword() : undefined;
    const fresh = !existsSync(join(node.folder, 'data', 'tables'));
    await writeNodeFiles(this.plan, this.nodes, { node, tlsPassword });
    const output = openSync(join(node.folder, 'logs', 'output.log'), 'w');
    const child = spawn(this.#java, serverArguments(this.plan, node, { jars: this.#jars, fresh }), {
      cwd: node.folder,
      detached: true,
      stdio: ['ignore', output, output],
    });
    let exited: string | undefined;
    child.on('error', error => {
      exited = error.message;
    });
    child.on('exit', (code, signal) => {
      exited = `it ended with ${signal ?? code}`;
    });
    child.unref();
    if (child.pid !== undefined)
      await writePidFile(this.#runFolder, node.name, child.pid, join(node.folder, 'conf'));
    for (let waitedMs = 0; waitedMs < START_TIMEOUT_MS; waitedMs += POLL_MS) {
      if (await answersCql(node.address, this.plan.cqlPort, PROBE_MS)) return;
      if (exited !== undefined) break;
      await systemTimer.sleep(POLL_MS);
    }
    await this.killNode(index);
    throw new ProblemError(
      problem(
        'START_FAILED',
        `Cassandra ${node.name} did not start (${exited ?? 'no answer in time'}): ${await lastLines(node)}`,
      ),
    );
  }

  /** True where the node's process lives. */
  isRunning(index: number): boolean {
    return this.#pidOf(index) !== undefined;
  }

  /** Process ids of the nodes that run. */
  get pids(): readonly number[] {
    return this.nodes.flatMap(({ index }) => this.#pidOf(index) ?? []);
  }

  /** Stops one node in order: it drains, so that nothing acknowledged waits in its commit log only. */
  async stopNode(index: number): Promise<void> {
    if (await this.#end(index, 'SIGTERM', STOP_TIMEOUT_MS)) return;
    await this.killNode(index);
  }

  /** Kills one node with -9 and waits until it is gone. */
  async killNode(index: number): Promise<void> {
    await this.#end(index, 'SIGKILL', STOP_TIMEOUT_MS);
  }

  /** Stops all nodes, the last started first: side by side each waits ten seconds for answers of the other. */
  async stop(): Promise<void> {
    for (const { index } of this.nodes.toReversed()) await this.stopNode(index);
  }

  /** Kills all nodes at once; where the data is thrown away anyway. */
  async kill(): Promise<void> {
    await Promise.all(this.nodes.map(({ index }) => this.killNode(index)));
  }

  /** Removes data, logs and configuration of a cluster that does not run. */
  async remove(): Promise<void> {
    await rm(this.plan.folder, { recursive: true, force: true });
  }

  /** Runs a `nodetool` command against a node that runs, for instance `flush`; resolves with what it prints. */
  async nodetool(index: number, ...command: readonly string[]): Promise<string> {
    const node = this.#node(index);
    const { stdout } = await run(this.#java, [...nodetoolArguments(node, { jars: this.#jars, command })]);
    return stdout;
  }

  /** The certificate that clients trust, where the plan has TLS. */
  get certificatePath(): string {
    return join(this.plan.folder, 'tls', 'certificate.pem');
  }

  get #runFolder(): string {
    return join(this.plan.folder, 'run');
  }

  #node(index: number): LocalNode {
    const node = this.nodes[index];
    if (node !== undefined) return node;
    throw new RangeError(`the cluster has ${this.nodes.length} nodes`);
  }

  #pidOf(index: number): number | undefined {
    const { name } = this.#node(index);
    return readPidFiles(this.#runFolder).find(record => record.name === name && isOurs(record))?.pid;
  }

  /** False where it still lives after the time. */
  async #end(index: number, signal: NodeJS.Signals, withinMs: number): Promise<boolean> {
    const pid = this.#pidOf(index);
    if (pid !== undefined) {
      process.kill(pid, signal);
      for (let waitedMs = 0; this.isRunning(index); waitedMs += POLL_MS) {
        if (waitedMs >= withinMs) return false;
        await systemTimer.sleep(POLL_MS);
      }
    }
    removePidFile(this.#runFolder, this.#node(index).name);
    return true;
  }

  /** Makes the cluster's key and certificate once, with Java's own tool; the password never leaves the folder. */
  async #tlsPassword(): Promise<string> {
    const folder = join(this.plan.folder, 'tls');
    const passwordFile = join(folder, 'password');
    if (existsSync(this.certificatePath)) return readFile(passwordFile, 'utf8');
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const password = randomBytes(16).toString('hex');
    await writeFile(passwordFile, password, { mode: 0o600 });
    const keytool = join(dirname(this.#java), 'keytool');
    const store = [
      '-keystore',
      join(folder, 'keys.p12'),
      '-storetype',
      'PKCS12',
      '-storepass:file',
      passwordFile,
    ];
    const names = this.nodes.map(({ address }) => `ip:${address}`).join(',');
    const made = [
      '-genkeypair',
      '-keyalg',
      'EC',
      '-alias',
      'node',
      '-dname',
      'CN=featuremesh local',
      '-validity',
      '3650',
    ];
    await run(keytool, [...made, '-ext', `san=${names}`, ...store]);
    await run(keytool, ['-exportcert', '-rfc', '-alias', 'node', '-file', this.certificatePath, ...store]);
    return password;
  }
}

/** Waits for all, also where one fails, so that nothing goes on behind the first error. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  for (const one of await Promise.allSettled(work)) if (one.status === 'rejected') throw one.reason;
}

/** Says before the start that memory is short: a node that is killed by the kernel later says nothing. */
function refuseTooLittleMemory(plan: LocalClusterPlan, nodes: number): void {
  const neededMb = nodes * nodeMemoryMb(plan.heapMb);
  const availableMb = Math.floor(process.availableMemory() / (1024 * 1024));
  if (nodes === 0 || neededMb <= availableMb) return;
  throw new ProblemError(
    problem(
      'START_FAILED',
      `${nodes} Cassandra nodes need about ${neededMb} MB of memory; ${availableMb} MB are available. Start fewer nodes, or free memory`,
    ),
  );
}

async function lastLines({ folder }: LocalNode): Promise<string> {
  for (const name of ['output.log', 'system.log']) {
    const text = await readFile(join(folder, 'logs', name), 'utf8').catch(() => '');
    const lines = text.split('\n').filter(line => /ERROR|Exception|Error|Fatal/.test(line));
    if (lines.length > 0) return lines.slice(-SHOWN_LOG_LINES).join('\n');
  }
  return 'its log says nothing';
}
