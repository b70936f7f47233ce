import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { locateNatsServer } from '../components/nats-server.ts';
import { LANE_VARIABLE } from './lanes.ts';
import { CHECK_STAGES, FULL_PROFILE_STAGES, type Stage, TEST_STAGES } from './stages.ts';

interface Count {
  readonly passed: number;
  readonly failed: number;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
let running: ChildProcess | undefined;

for (const signal of ['SIGINT', 'SIGTERM', 'disconnect'] as const) {
  process.on(signal, () => {
    running?.kill('SIGTERM');
    process.exitCode = 130;
  });
}

const total = await runAll(stagesAsked(process.argv.slice(2)));
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
  }
  return { passed, failed };
}

/** A command counts as one test. */
async function runCommand(command: readonly string[]): Promise<Count> {
  const status = await execute(command, {});
  return status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
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
    const counts = JSON.parse(await readFile(report, 'utf8')) as {
      numPassedTests: number;
      numFailedTests: number;
    };
    // A file that does not load runs no test and yet is a failure.
    const failed = status !== 0 && counts.numFailedTests === 0 ? 1 : counts.numFailedTests;
    return { passed: counts.numPassedTests, failed };
  } catch (error) {
    process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return { passed: 0, failed: 1 };
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
