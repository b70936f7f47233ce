import { ProblemError } from '@featuremesh/domain/problem';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { showWan } from '@featuremesh/infra/wan/wan-control';
import { loadRegionConfig } from '@featuremesh/runtime/config-loader';
import type { Command } from 'commander';
import { request } from 'undici';
import {
  type CliWorld,
  type CommandRun,
  pathOption,
  runs,
  textOption,
  withRegionOptions,
} from '../command-frame.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { syncStatus } from '../http/admin-client.ts';
import { JsonClient } from '../http/json-client.ts';
import { table } from '../output.ts';
import { findUsedPorts } from '../region/port-check.ts';
import { healthReason, healthWarnings, regionPorts } from '../region/region-parts.ts';
import { dataFolder, regionTarget, runningMesh, token } from '../target/region-target.ts';

/** Oldest Node that runs the product. */
const NODE_FLOOR = [22, 19] as const;
/** Clock difference worth a word: half of what the accepting region tolerates for event times. */
const SKEW_NOTICE_MS = 2_500;
const CLOCK_TIMEOUT_MS = 2_000;

interface Finding {
  readonly about: string;
  readonly state: 'ok' | 'notice' | 'wrong';
  readonly what: string;
  /** What to do; empty where nothing is to be done. */
  readonly remedy: string;
}

/** `fmesh doctor`: what is wrong and what to do about it. */
export function registerDoctor(program: Command, world: CliWorld): void {
  const command = withRegionOptions(program.command('doctor'))
    .description('what is wrong, and what to do')
    .option('--config <file>', 'also check a region.yaml and its ports')
    .addHelpText(
      'after',
      '\nExit status 6 where something is wrong.\n\nExamples:\n  fmesh doctor\n  fmesh doctor --config ./europe/region.yaml',
    );
  runs(world, command, doctor);
}

async function doctor(run: CommandRun): Promise<ExitCode> {
  const findings = [
    nodeFinding(),
    await brokerFinding(),
    ...(await configFindings(run)),
    ...(await regionFindings(run)),
  ];
  run.output.result({ findings }, () =>
    table(
      ['about', 'state', 'what', 'what to do'],
      findings.map(one => [one.about, one.state === 'wrong' ? 'WRONG' : one.state, one.what, one.remedy]),
    ),
  );
  return findings.some(one => one.state === 'wrong') ? EXIT.partly : EXIT.done;
}

function nodeFinding(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const recent = major > NODE_FLOOR[0] || (major === NODE_FLOOR[0] && minor >= NODE_FLOOR[1]);
  return recent
    ? ok('Node', process.versions.node)
    : wrong(
        'Node',
        `${process.versions.node} is too old`,
        `run through npm or npx, which obtain Node 24, or install it`,
      );
}

async function brokerFinding(): Promise<Finding> {
  try {
    return ok('nats-server', await locateNatsServer());
  } catch (error) {
    return wrong(
      'nats-server',
      error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'missing',
      'put it on the PATH, or name it in FEATUREMESH_NATS_SERVER',
    );
  }
}

async function configFindings(run: CommandRun): Promise<readonly Finding[]> {
  const path = pathOption(run, 'config');
  if (path === undefined) return [];
  try {
    const config = loadRegionConfig(path);
    const running = (await healthReason(config.publicUrl)) === undefined;
    const used = running ? [] : await findUsedPorts(regionPorts(config));
    return [
      ok(
        path,
        `valid; region ${config.id}, ${config.peers.length} peers, ${config.officers.length} officers`,
      ),
      ...used.map(one =>
        wrong(
          `port ${one.port}`,
          `needed for the ${one.purpose}, held by ${one.holder ?? 'another program'}`,
          `end it, or change the port in ${path}`,
        ),
      ),
      ...(config.officers.length === 0
        ? [
            notice(
              path,
              'no officers: no policy can come into force, every group stays in its home region',
              'name them under `officers:`',
            ),
          ]
        : []),
      ...(config.auth.type === 'none' && !running ? [openFinding(config.id)] : []),
    ];
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const issues = error.problem.issues ?? [];
    if (issues.length === 0) return [wrong(path, error.problem.detail, 'correct it')];
    return issues.map(issue => wrong(issue.path, issue.message, `correct it in ${path}`));
  }
}

async function regionFindings(run: CommandRun): Promise<readonly Finding[]> {
  const named = textOption(run, 'region') !== undefined;
  const mesh = named ? undefined : runningMesh(run);
  if (!named && mesh === undefined) {
    return [
      notice(
        'mesh',
        `no mesh is ready in ${dataFolder(run)}`,
        'start one with `npm start`, or name a region with --region URL',
      ),
    ];
  }
  const targets = mesh?.regions ?? [regionTarget(run)];
  const findings = await Promise.all([
    ...(mesh?.wan === undefined ? [] : [networkFindings(mesh.wan.controlUrl)]),
    ...targets.map(target => oneRegion(run, target)),
  ]);
  return findings.flat();
}

/** Faults that someone put between the regions of a local mesh: links are down because of them, and nothing mends them by itself. */
async function networkFindings(controlUrl: string): Promise<readonly Finding[]> {
  try {
    const broken = (await showWan(controlUrl)).filter(path => path.fault !== 'none');
    if (broken.length === 0) return [ok('network', 'nothing is cut between the regions')];
    return broken.map(({ from, to, service, fault }) =>
      wrong('network', `${from} to ${to}, ${service}: ${fault}`, 'end it with npm run wan -- heal'),
    );
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return [wrong('network', error.problem.detail, 'npm start runs it again; see wan/wan.log')];
  }
}

async function oneRegion(
  run: CommandRun,
  target: { id: string | undefined; url: string; gatewayUrl: string },
): Promise<readonly Finding[]> {
  const name = target.id ?? target.url;
  const [service, gateway, skewMs] = await Promise.all([
    healthReason(target.url),
    healthReason(target.gatewayUrl),
    clockSkewMs(run, target.url),
  ]);
  const findings: Finding[] = [
    service === undefined
      ? ok(name, 'the region service is ready')
      : wrong(name, `region service: ${service}`, 'see data/logs/service-0.log of the region'),
    gateway === undefined
      ? ok(name, 'the gateway is ready')
      : wrong(name, `gateway: ${gateway}`, 'see data/logs/gateway.log of the region'),
  ];
  if (skewMs !== undefined && Math.abs(skewMs) > SKEW_NOTICE_MS) {
    findings.push(
      wrong(
        name,
        `its clock differs by ${Math.round(skewMs)} ms from this machine's`,
        'synchronise the clocks (NTP)',
      ),
    );
  }
  if (service !== undefined) return findings;
  for (const warning of await healthWarnings(target.url))
    findings.push(notice(name, warning, 'see data/logs/service-0.log of the region'));
  if (token(run) === undefined) findings.push(openFinding(name));
  return [...findings, ...(await linkFindings(run, target.url, name))];
}

async function linkFindings(run: CommandRun, url: string, name: string): Promise<readonly Finding[]> {
  const client = new JsonClient(url, token(run));
  try {
    const { links } = await syncStatus(client);
    return links.flatMap(link => {
      const way = link.direction === 'in' ? `from ${link.peer}` : `to ${link.peer}`;
      if (!link.connected)
        return [
          wrong(
            name,
            `the link ${way} is down${link.lastError === undefined ? '' : `: ${link.lastError}`}`,
            `is ${link.peer} running, and its peer entry for ${name} right? See data/logs/sync.log`,
          ),
        ];
      if (link.heldBatches > 0)
        return [
          notice(
            name,
            `${link.heldBatches} batches ${way} are set aside`,
            'they are applied once their definition arrives; see `fmesh status`',
          ),
        ];
      return [ok(name, `the link ${way} is up`)];
    });
  } catch (error) {
    if (error instanceof ProblemError)
      return [
        wrong(name, `links are not known: ${error.problem.detail}`, 'see data/logs/sync.log of the region'),
      ];
    throw error;
  } finally {
    await client.close();
  }
}

/** The server's `Date` has a resolution of a second: half of it is taken off. */
async function clockSkewMs(run: CommandRun, url: string): Promise<number | undefined> {
  try {
    const before = run.world.clock.nowMs();
    const answer = await request(`${url}/health/live`, { headersTimeout: CLOCK_TIMEOUT_MS });
    await answer.body.dump();
    const after = run.world.clock.nowMs();
    const date = Date.parse(String(answer.headers['date']));
    return Number.isNaN(date) ? undefined : date + 500 - (before + after) / 2;
  } catch {
    return undefined;
  }
}

function openFinding(name: string): Finding {
  return notice(
    name,
    'no authentication: every caller on this machine holds every jurisdiction and purpose',
    'fine on loopback; configure `auth` and `tls` before it listens elsewhere',
  );
}

function ok(about: string, what: string): Finding {
  return { about, state: 'ok', what, remedy: '' };
}

function notice(about: string, what: string, remedy: string): Finding {
  return { about, state: 'notice', what, remedy };
}

function wrong(about: string, what: string, remedy: string): Finding {
  return { about, state: 'wrong', what, remedy };
}
