import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installationRoot } from '@featuremesh/cli/target/data-folder';
import { type MeshFile, readMeshFile } from '@featuremesh/cli/target/mesh-file';
import { processesNaming } from '@featuremesh/cli/testing/fmesh-process';
import { brokerPassword, readNatsSecrets } from '@featuremesh/runtime/broker-secrets';
import { loadRegionConfig } from '@featuremesh/runtime/config-loader';
import { natsRequest } from '@featuremesh/testkit/broker/nats-request';
import { afterAll, expect, test } from 'vitest';
import { changeWan } from '../wan/wan-control.ts';
import { demoCommands } from './demo-commands.ts';
import { freeMeshPortBase, patienceMs, testProfile } from './testing/test-profile.ts';

const SLOW_MS = patienceMs(240_000);
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
/** All that the present launcher printed. */
let said = '';
/** Brokers take 20 to 30 s to notice it, so the tests between go on meanwhile, without that link. */
let blackHoleBeganMs = 0;
/** The end of the command that runs a region again. */
let byHand: Promise<unknown> | undefined;

async function start(args: readonly string[]): Promise<void> {
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
      '--profile',
      testProfile(),
      ...args,
    ],
    { cwd: installationRoot, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  launcher = child;
  said = '';
  await new Promise<void>((resolve, reject) => {
    const take = (text: string): void => {
      said += text;
      if (said.includes('Ctrl-C stops the mesh')) resolve();
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.once('exit', () => reject(new Error(`the launcher ended: ${said}`)));
  });
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

/** Leaves one message in a region's log, as if all others had grown too old. */
async function forgetLog(region: string): Promise<void> {
  const config = loadRegionConfig(join(dataDir, 'regions', region, 'region.yaml'));
  const pass = brokerPassword(await readNatsSecrets(config.keys.natsSecrets), 'sync');
  const port = config.nats.embedded?.client.port ?? 0;
  const body = new TextEncoder().encode(JSON.stringify({ keep: 1 }));
  const answer = await natsRequest({ port, user: 'sync', pass }, '$JS.API.STREAM.PURGE.FEED', body);
  expect(answer).toContain('"success":true');
}

function kill9(lines: readonly string[]): void {
  for (const line of lines) process.kill(Number.parseInt(line, 10), 'SIGKILL');
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

async function cityIn(gatewayUrl: string | undefined, airport: string): Promise<unknown> {
  const { body } = await read(gatewayUrl ?? '', 'airport_profile:city', airport);
  return body.results?.[0]?.columns?.[0]?.[0];
}

/** Cities, statuses and event times as one text. */
async function heldCities(url: string, keys: readonly string[]): Promise<string> {
  const { text } = await post(`${url}/v1/online/read`, {
    features: ['airport_profile:city'],
    keys: { airport: keys },
  });
  const { results: [result] = [], code } = JSON.parse(text) as {
    results?: Record<string, unknown>[];
    code?: string;
  };
  return JSON.stringify([result?.['columns'], result?.['statuses'], result?.['eventTimes'], code]);
}

async function writeCity(url: string, airport: string, city: string, atMs: number): Promise<void> {
  const { text } = await post(`${url}/v1/groups/airport_profile/rows`, {
    rows: [
      {
        key: { airport },
        eventTime: new Date(atMs).toISOString(),
        features: { ...AWAY_PROFILE, city },
      },
    ],
  });
  expect(JSON.parse(text)).toMatchObject({ accepted: 1, online: 'APPLIED' });
}

/** `<reader> from <peer>: up|DOWN` of every link that a region imports over, as `fmesh status` tells it. */
async function links(): Promise<readonly string[]> {
  const { stdout } = await fmeshOut(['status', '--json']);
  const { regions } = JSON.parse(stdout) as {
    regions: { id: string; sync: { links: { peer: string; direction: string; connected: boolean }[] } }[];
  };
  return regions.flatMap(({ id, sync }) =>
    sync.links
      .filter(link => link.direction === 'in')
      .map(link => `${id} from ${link.peer}: ${link.connected ? 'up' : 'DOWN'}`),
  );
}

/** What it printed, whatever its exit status: 6 says that something is not healthy. */
async function fmeshOut(args: readonly string[]): Promise<{ stdout: string }> {
  const program = join(installationRoot, 'services', 'cli', 'main.ts');
  const command = ['--disable-warning=ExperimentalWarning', program, ...args, '--data-dir', dataDir];
  return await run(process.execPath, command, { cwd: installationRoot }).catch(
    (error: { stdout: string }) => error,
  );
}

afterAll(async () => {
  await stop('SIGTERM');
  rmSync(join(dataDir, '..'), { recursive: true, force: true });
}, SLOW_MS);

test(
  'a first start gives three regions with data, and every printed command works when pasted',
  async () => {
    const base = await freeMeshPortBase();
    await start(['--port-base', String(base)]);
    const file = mesh();
    expect(file.regions.map(region => region.id)).toEqual(['us-east-1', 'us-west-2', 'eu-west-1']);
    for (const region of file.regions) {
      expect((await fetch(`${region.url}/health/ready`)).status).toBe(200);
      expect((await fetch(`${region.gatewayUrl}/health/ready`)).status).toBe(200);
      expect((await fetch(region.metricsUrl)).status).toBe(200);
      expect(Object.keys(region.pids).toSorted()).toEqual([
        ...(testProfile() === 'full' ? ['cassandra-node-1', 'cassandra-node-2'] : []),
        'gateway',
        'nats',
        ...(testProfile() === 'full' ? ['objects'] : []),
        'service-0',
        'supervisor',
        'sync',
      ]);
      for (const pid of Object.values(region.pids)) expect(existsSync(`/proc/${pid}`)).toBe(true);
    }
    expect(said).toMatch(
      /round trips us-east-1 - us-west-2 65 ms, us-east-1 - eu-west-1 75 ms, us-west-2 - eu-west-1 140 ms/,
    );
    const measured =
      /a row from eu-west-1's own replica ([\d.]+) ms; .* home region us-east-1 ([\d.]+) ms/.exec(said);
    expect(Number(measured?.[2])).toBeGreaterThan(74);
    expect(Number(measured?.[1])).toBeLessThan(Number(measured?.[2]) - 40);
    const commands = demoCommands(file, { dataDir });
    expect(commands.length).toBeGreaterThanOrEqual(7);
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
  'a black hole is told by status and doctor',
  async () => {
    const { regions, wan } = mesh();
    const [east, west] = regions;
    if (east === undefined || west === undefined || wan === undefined) throw new Error('three regions');
    const which = { regions: [east.id, west.id] };
    await changeWan(wan.controlUrl, { action: 'black-hole', which });
    blackHoleBeganMs = performance.now();
    const down = [`${east.id} from ${west.id}: DOWN`, `${west.id} from ${east.id}: DOWN`];
    await expect.poll(links, { timeout: patienceMs(20_000) }).toEqual(expect.arrayContaining(down));
    console.info(`a black hole is told after ${Math.round(performance.now() - blackHoleBeganMs)} ms`);
    const { stdout } = await fmeshOut(['doctor']);
    expect(stdout).toMatch(/us-west-2 +WRONG +the link from us-east-1 is down/);
    expect(stdout).toMatch(/network +WRONG +us-east-1 to us-west-2, link: black-hole .*npm run wan -- heal/);
  },
  SLOW_MS,
);

test(
  'S1, S9: with a link cut both regions read and write on, and after it heals they hold the same winners',
  async () => {
    const { regions, wan } = mesh();
    const [east, , europe] = regions;
    if (east === undefined || europe === undefined || wan === undefined) throw new Error('three regions');
    const which = { regions: [east.id, europe.id] };
    await changeWan(wan.controlUrl, { action: 'cut', which });
    const keys = Array.from({ length: 60 }, (_, at) => `C${at}`);
    const startedMs = Date.now() - 60_000;
    for (const [at, key] of keys.entries()) {
      // Every third key is written on both sides, with one event time: only the order of rows decides.
      const both = at % 3 === 0;
      if (both || at % 3 === 1) await writeCity(east.url, key, `east ${at}`, startedMs + at);
      if (both || at % 3 === 2) await writeCity(europe.url, key, `europe ${at}`, startedMs + at);
      expect(await cityIn(europe.gatewayUrl, 'SEA')).toBe('Seattle');
    }
    await expect.poll(links, { timeout: patienceMs(15_000) }).toContain(`${europe.id} from ${east.id}: DOWN`);
    expect(await cityIn(europe.gatewayUrl, 'C1')).toBeNull();
    const held = (url: string): Promise<string> => heldCities(url, keys);
    expect(await held(europe.url)).not.toBe(await held(east.url));
    const healedMs = performance.now();
    await changeWan(wan.controlUrl, { action: 'heal', which });
    await expect
      .poll(async () => (await held(europe.url)) === (await held(east.url)), {
        timeout: patienceMs(30_000),
        interval: 25,
      })
      .toBe(true);
    console.info(
      `converged ${Math.round(performance.now() - healedMs)} ms after a link of 75 ms round trip healed`,
    );
    expect(await held(east.url)).toContain('"PRESENT"');
    expect(await held(east.url)).not.toContain('NOT_FOUND');
  },
  SLOW_MS,
);

// That a Cassandra has lost all its rows is not noticed (README, Limits).
if (testProfile() === 'embedded')
  test(
    'V5: a lost online store whose log has forgotten is filled by peers, and not read before; rows that nobody else holds are told',
    async () => {
      const [, west, europe] = mesh().regions;
      const service = west?.pids['service-0'];
      if (west === undefined || europe === undefined || service === undefined)
        throw new Error('three regions');
      const keys = ['SEA', 'DEN', 'L1', 'L2'];
      await writeCity(west.url, 'L1', 'Accepted where it is lost', Date.now() - 1_000);
      await writeCity(europe.url, 'L2', 'Accepted by a peer', Date.now() - 1_000);
      for (const url of [west.url, europe.url])
        await expect
          .poll(() => heldCities(url, keys), { timeout: patienceMs(60_000) })
          .not.toContain('NOT_FOUND');
      const before = await heldCities(west.url, keys);
      const counts = () => readFileSync(join(west.dataDir, 'store-counts.json'), 'utf8');
      await expect.poll(counts, { timeout: patienceMs(30_000) }).toMatch(/":[1-9]/);
      await forgetLog(west.id);
      rmSync(join(west.dataDir, 'lmdb', 'online'), { recursive: true });
      process.kill(service, 'SIGKILL');
      const answers = new Set<string>();
      const again = async (): Promise<string> => {
        const answer = await heldCities(west.url, keys).catch(() => 'no answer');
        answers.add(answer);
        return answer;
      };
      await expect.poll(again, { timeout: patienceMs(60_000), interval: 20 }).toBe(before);
      answers.delete(before);
      expect([...answers].filter(answer => answer.includes('NOT_FOUND'))).toEqual([]);
      expect([...answers].join(' ')).toContain('UNAVAILABLE');
      await expect
        .poll(async () => (await fetch(`${west.url}/health/ready`)).text(), { timeout: patienceMs(30_000) })
        .toMatch(
          /rows of us-west-2\/\w+@v1 are lost: no other region holds them|rows of us-east-1\/traveller_profile@v1 are lost/,
        );
      expect((await fmeshOut(['status'])).stdout).toMatch(/us-west-2: \d+ rows of .* are lost/);
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
    await expect.poll(() => answers.length, { timeout: patienceMs(20_000) }).toBeGreaterThan(20);
    for (const folder of ['regions', 'stores']) kill9(processesNaming(join(dataDir, folder, europe.id)));
    const before = answers.length;
    await expect.poll(() => answers.length, { timeout: patienceMs(20_000) }).toBeGreaterThan(before + 200);
    const slices = await post(`${east.gatewayUrl}/graphql`, {
      query: '{ featureGroup(ref: "airport_profile") { slices { region rows } } }',
    });
    expect(slices.text).toContain('"REGION_UNAVAILABLE"');
    expect(slices.text).not.toContain(new URL(europe.url).port);
    await expect
      .poll(() => said, { timeout: patienceMs(20_000) })
      .toContain('eu-west-1 is DOWN: its supervisor ended');
    await expect.poll(() => mesh().regions[2]?.pids['supervisor']).toBeUndefined();
    expect(mesh().regions[2]?.pids).not.toHaveProperty('gateway');
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
  'the command that was printed for the region that is down starts it again, and it catches up (S1, S9)',
  async () => {
    const command = /another terminal: (npx .*)$/m.exec(said)?.[1] ?? 'false';
    const shell = spawn('sh', ['-c', command], { cwd: installationRoot, stdio: 'ignore' });
    byHand = once(shell, 'exit');
    await expect
      .poll(() => said, { timeout: patienceMs(60_000) })
      .toMatch(/eu-west-1: is run again, by process/);
    await expect
      .poll(() => cityIn(mesh().regions[2]?.gatewayUrl, 'ZZ1'), { timeout: patienceMs(60_000) })
      .toBe('Away');
  },
  SLOW_MS,
);

test(
  'the brokers give up a connection into a black hole; the proxy, killed, runs anew without faults, and all is up',
  async () => {
    const { regions, wan } = mesh();
    const [east, west] = regions;
    if (east === undefined || west === undefined || wan?.pid === undefined) throw new Error('three regions');
    const log = join(west.dataDir, 'logs', 'nats.log');
    await expect
      .poll(() => readFileSync(log, 'utf8'), { timeout: patienceMs(60_000), interval: 250 })
      .toMatch(/Stale Connection/);
    console.info(`brokers gave up after ${Math.round(performance.now() - blackHoleBeganMs)} ms`);
    process.kill(wan.pid, 'SIGKILL');
    await expect
      .poll(async () => (await links()).filter(one => one.endsWith('DOWN')), { timeout: patienceMs(30_000) })
      .toEqual([]);
    expect(said).toMatch(/network between the regions: wan ended with SIGKILL; it is started again/);
    await expect.poll(() => mesh().wan?.pid).not.toBe(wan.pid);
    await writeCity(east.url, 'ZZ2', 'After the black hole', Date.now() - 1_000);
    await expect
      .poll(() => cityIn(west.gatewayUrl, 'ZZ2'), { timeout: patienceMs(30_000) })
      .toBe('After the black hole');
  },
  SLOW_MS,
);

test(
  'a region that was run by hand and is ended is down again',
  async () => {
    const supervisor = () => mesh().regions[2]?.pids['supervisor'] ?? 0;
    await expect.poll(supervisor, { timeout: patienceMs(10_000) }).toBeGreaterThan(0);
    process.kill(supervisor(), 'SIGTERM');
    await byHand;
    await expect.poll(() => said, { timeout: patienceMs(10_000) }).toContain('eu-west-1: is down again');
  },
  SLOW_MS,
);

test(
  'after kill -9 of the launcher the next start recovers by itself, keeps the data, and Ctrl-C leaves nothing behind',
  async () => {
    const before = mesh();
    await stop('SIGKILL');
    expect(existsSync(join(dataDir, 'mesh.json'))).toBe(true);
    await start(['--wan', 'off']);
    const after = mesh();
    expect(after.wan).toBeUndefined();
    expect(said).toContain('no delay between the regions');
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
      .poll(() => cityIn(after.regions[2]?.gatewayUrl, 'ZZ1'), { timeout: patienceMs(60_000) })
      .toBe('Away');
    expect(await stop('SIGINT')).toBe(0);
    expect(processesNaming(dataDir)).toEqual([]);
    expect(existsSync(join(dataDir, 'mesh.json'))).toBe(false);
    expect(readFileSync(join(dataDir, 'regions', 'us-east-1', 'region.yaml'), 'utf8')).toContain('peers:');
  },
  SLOW_MS,
);
