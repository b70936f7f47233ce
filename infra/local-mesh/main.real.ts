import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installationRoot } from '@featuremesh/cli/target/data-folder';
import { type MeshFile, readMeshFile } from '@featuremesh/cli/target/mesh-file';
import { freePortBase, processesNaming } from '@featuremesh/cli/testing/fmesh-process';
import { afterAll, expect, test } from 'vitest';
import { demoCommands } from './demo-commands.ts';

const SLOW_MS = 240_000;
const run = promisify(execFile);
const AWAY_PROFILE = {
  name: 'Written while Europe is away',
  city: 'Away',
  country: 'Nowhere',
  latitude: 1.5,
  longitude: 2.5,
  place_vector: [1, 0, 0],
};
/** A path with a space, as users have them. */
const dataDir = join(mkdtempSync(join(tmpdir(), 'fm local ')), 'mesh data');
let launcher: ChildProcess | undefined;

async function start(args: readonly string[]): Promise<string> {
  const program = join(installationRoot, 'infra', 'local-mesh', 'main.ts');
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      program,
      '--data-dir',
      dataDir,
      '--demo-rows',
      '20000',
      ...args,
    ],
    { cwd: installationRoot, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  launcher = child;
  let said = '';
  await new Promise<void>((resolve, reject) => {
    const take = (text: string): void => {
      said += text;
      if (said.includes('Ctrl-C stops the mesh')) resolve();
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.once('exit', () => reject(new Error(`the launcher ended: ${said}`)));
  });
  return said;
}

async function stop(signal: NodeJS.Signals): Promise<number | null> {
  const child = launcher;
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return null;
  const ended = once(child, 'exit');
  child.kill(signal);
  return (await ended)[0] as number | null;
}

function mesh(): MeshFile {
  const file = readMeshFile(dataDir);
  if (file === undefined) throw new Error('no mesh.json');
  return file;
}

function shell(command: string): Promise<{ stdout: string; stderr: string }> {
  return run('sh', ['-c', command], { cwd: installationRoot, maxBuffer: 16 * 1024 * 1024 });
}

interface ReadReply {
  readonly results?: readonly {
    readonly statuses?: readonly string[];
    readonly columns?: readonly (readonly unknown[])[];
  }[];
}

async function post(url: string, body: unknown): Promise<{ status: number; text: string }> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: answer.status, text: await answer.text() };
}

async function read(
  gatewayUrl: string,
  feature: string,
  airport: string,
): Promise<{ status: number; body: ReadReply }> {
  const { status, text } = await post(`${gatewayUrl}/v1/online/read`, {
    features: [feature],
    keys: { airport },
  });
  return { status, body: JSON.parse(text) as ReadReply };
}

afterAll(async () => {
  await stop('SIGTERM');
  rmSync(join(dataDir, '..'), { recursive: true, force: true });
}, SLOW_MS);

test(
  'a first start gives three regions with data, and every printed command works when pasted',
  async () => {
    const base = await freePortBase(30);
    const said = await start(['--port-base', String(base)]);
    const file = mesh();
    expect(file.regions.map(region => region.id)).toEqual(['us-east-1', 'us-west-2', 'eu-west-1']);
    for (const region of file.regions) {
      expect((await fetch(`${region.url}/health/ready`)).status).toBe(200);
      expect((await fetch(`${region.gatewayUrl}/health/ready`)).status).toBe(200);
      expect((await fetch(region.metricsUrl)).status).toBe(200);
      expect(Object.keys(region.pids).toSorted()).toEqual([
        'gateway',
        'nats',
        'service-0',
        'supervisor',
        'sync',
      ]);
      for (const pid of Object.values(region.pids)) expect(existsSync(`/proc/${pid}`)).toBe(true);
    }
    const commands = demoCommands(file, { dataDir });
    expect(commands.length).toBeGreaterThanOrEqual(6);
    for (const { title, command } of commands) {
      expect(said).toContain(command);
      const { stdout } = await shell(command);
      expect({ title, stdout }).toMatchObject({ stdout: expect.stringMatching(/\S/) });
      if (title.includes('refused'))
        expect(JSON.parse(stdout)).toMatchObject({
          code: 'RESIDENCY_REDIRECT',
          candidates: [{ region: 'us-west-2' }],
        });
      else expect(stdout).not.toMatch(/"code":"|UNAVAILABLE|REFUSED|"errors"/);
    }
  },
  SLOW_MS,
);

test(
  'a second launcher on the same folder is refused at once, and the mesh stays',
  async () => {
    const before = mesh();
    const program = join(installationRoot, 'infra', 'local-mesh', 'main.ts');
    const second = run(process.execPath, [program, '--data-dir', dataDir], { cwd: installationRoot });
    await expect(second).rejects.toMatchObject({
      code: 3,
      stderr: expect.stringContaining('ALREADY_RUNNING'),
    });
    expect(mesh()).toEqual(before);
  },
  SLOW_MS,
);

test(
  'V4, S9: a region killed with -9 costs only what lives solely there, while others read and write on',
  async () => {
    const [east, , europe] = mesh().regions;
    if (east === undefined || europe === undefined) throw new Error('three regions');
    let reading = true;
    const answers: string[] = [];
    const reads = (async () => {
      while (reading) {
        const { status, body } = await read(east.gatewayUrl, 'airport_profile:city', 'SEA');
        answers.push(`${status} ${body.results?.[0]?.statuses?.[0]}`);
      }
    })();
    await expect.poll(() => answers.length, { timeout: 20_000 }).toBeGreaterThan(20);
    for (const line of processesNaming(join(dataDir, 'regions', europe.id))) {
      process.kill(Number.parseInt(line, 10), 'SIGKILL');
    }
    const before = answers.length;
    await expect.poll(() => answers.length, { timeout: 20_000 }).toBeGreaterThan(before + 200);
    const slices = await post(`${east.gatewayUrl}/graphql`, {
      query: '{ featureGroup(ref: "airport_profile") { slices { region rows } } }',
    });
    expect(slices.text).toContain('"REGION_UNAVAILABLE"');
    expect(slices.text).not.toContain(new URL(europe.url).port);
    const written = await post(`${east.url}/v1/groups/airport_profile/rows`, {
      rows: [{ key: { airport: 'ZZ1' }, eventTime: '2026-01-01T00:00:00Z', features: AWAY_PROFILE }],
    });
    expect(JSON.parse(written.text)).toMatchObject({ accepted: 1, online: 'APPLIED' });
    reading = false;
    await reads;
    expect(new Set(answers)).toEqual(new Set(['200 PRESENT']));
  },
  SLOW_MS,
);

test(
  'after kill -9 of the launcher the next start recovers by itself, keeps the data, and Ctrl-C leaves nothing behind',
  async () => {
    const before = mesh();
    await stop('SIGKILL');
    expect(existsSync(join(dataDir, 'mesh.json'))).toBe(true);
    await start([]);
    const after = mesh();
    expect(after.startedAt).not.toBe(before.startedAt);
    expect(after.regions.map(region => region.url)).toEqual(before.regions.map(region => region.url));
    const [east] = after.regions;
    const answer = await fetch(`${east?.gatewayUrl}/v1/online/read`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ features: ['airport_profile:city'], keys: { airport: 'SEA' } }),
    });
    expect(await answer.json()).toMatchObject({
      results: [{ columns: [['Seattle']], statuses: ['PRESENT'] }],
    });
    // What was written while Europe was away is there after it came back (S1, S9).
    await expect
      .poll(
        async () => {
          const { body } = await read(after.regions[2]?.gatewayUrl ?? '', 'airport_profile:city', 'ZZ1');
          return body.results?.[0]?.columns?.[0]?.[0];
        },
        { timeout: 60_000 },
      )
      .toBe('Away');
    expect(await stop('SIGINT')).toBe(0);
    expect(processesNaming(dataDir)).toEqual([]);
    expect(existsSync(join(dataDir, 'mesh.json'))).toBe(false);
    expect(readFileSync(join(dataDir, 'regions', 'us-east-1', 'region.yaml'), 'utf8')).toContain('peers:');
  },
  SLOW_MS,
);
