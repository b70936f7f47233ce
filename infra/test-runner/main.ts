import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { locateNatsServer } from '../components/nats-server.ts';
import { failuresOf, type VitestReport } from './failures.ts';
import { LANE_VARIABLE } from './lanes.ts';
import { CHECK_STAGES, FULL_PROFILE_STAGES, type Stage, TEST_STAGES } from './stages.ts';

interface Count {
  readonly passed: number;
  readonly failed: number;
  /** What failed, a text each, said once more at the end of the run. */
  readonly failures: readonly string[];
}

/** Said of a stage whose tests all passed and which yet ended with an error, as after an unhandled rejection. */
const ENDED_BADLY = 'every test passed, and yet an error was reported outside of them; it stands above';

const root = fileURLToPath(new URL('../..', import.meta.url));
let running: ChildProcess | undefined;

for (const signal of ['SIGINT', 'SIGTERM', 'disconnect'] as const) {
  process.on(signal, () => {
    running?.kill('SIGTERM');
    process.exitCode = 130;
  });
}

const total = await runAll(stagesAsked(process.argv.slice(2)));
if (total.failures.length > 0) process.stdout.write(`\n── failures\n${total.failures.join('\n')}\n`);
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exit(total.failed > 0 || process.exitCode === 130 ? 1 : 0);

function stagesAsked(args: readonly string[]): readonly Stage[] {
  if (args.includes('--only') && args.includes('check')) return CHECK_STAGES;
  if (!args.includes('--profile') || !args.includes('full')) return [...CHECK_STAGES, ...TEST_STAGES];
  process.env['FEATUREMESH_TEST_PROFILE'] = 'full';
  return FULL_PROFILE_STAGES;
}

async function runAll(stages: readonly Stage[]): Promise<Count> {
  let passed = 0;
  let failed = 0;
  const failures: string[] = [];
  for (const stage of stages) {
    if (process.exitCode === 130) break;
    const startedAt = Date.now();
    process.stdout.write(`\n── ${stage.name}\n`);
    const count = stage.kind === 'command' ? await runCommand(stage.command) : await runVitest(stage);
    process.stdout.write(
      `── ${stage.name}: ${count.passed} passed, ${count.failed} failed in ${((Date.now() - startedAt) / 1000).toFixed(1)} s\n`,
    );
    passed += count.passed;
    failed += count.failed;
    failures.push(...count.failures.map(failure => `${stage.name}: ${failure}`));
  }
  return { passed, failed, failures };
}

/** A command counts as one test. */
async function runCommand(command: readonly string[]): Promise<Count> {
  const status = await execute(command, {});
  if (status === 0) return { passed: 1, failed: 0, failures: [] };
  return { passed: 0, failed: 1, failures: [`ended with ${status}`] };
}

async function runVitest(stage: Extract<Stage, { kind: 'vitest' }>): Promise<Count> {
  const scratch = await mkdtemp(join(tmpdir(), 'featuremesh-tests-'));
  const report = join(scratch, 'report.json');
  try {
    const environment: Record<string, string> = { FEATUREMESH_TEST_SUITE: stage.suite };
    if (stage.suite === 'real')
      environment['FEATUREMESH_NATS_SERVER'] = await locateNatsServer(text =>
        process.stdout.write(`${text}\n`),
      );
    if (stage.lane !== undefined) environment[LANE_VARIABLE] = stage.lane;
    const status = await execute(
      [
        'node_modules/.bin/vitest',
        'run',
        '--config',
        'infra/test-runner/vitest.config.ts',
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${report}`,
        ...stage.filters,
      ],
      environment,
    );
    const counts = JSON.parse(await readFile(report, 'utf8')) as VitestReport;
    const failures = [...failuresOf(counts, root)];
    // A file that does not load, or an error outside every test, is a failure without a failed test.
    const failed = Math.max(status === 0 ? 0 : 1, counts.numFailedTests);
    if (failed > 0 && failures.length === 0) failures.push(ENDED_BADLY);
    return { passed: counts.numPassedTests, failed, failures };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stdout.write(`${reason}\n`);
    return { passed: 0, failed: 1, failures: [reason] };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function execute(command: readonly string[], environment: Readonly<Record<string, string>>): Promise<number> {
  const [program, ...args] = command;
  return new Promise(resolve => {
    running = spawn(process.execPath, [join(root, program ?? ''), ...args], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...environment },
    });
    running.on('exit', code => {
      running = undefined;
      resolve(code ?? 1);
    });
  });
}
