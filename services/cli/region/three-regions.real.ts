import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freeMeshPortBase, patienceMs } from '@featuremesh/infra/local-mesh/testing/test-profile';
import { TestStores } from '@featuremesh/infra/local-mesh/testing/test-stores';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { syncStatus } from '../http/admin-client.ts';
import { JsonClient } from '../http/json-client.ts';
import {
  type FmeshProcess,
  fmesh,
  freePortBase,
  processesNaming,
  startFmesh,
} from '../testing/fmesh-process.ts';

const SLOW_MS = patienceMs(120_000);
const root = mkdtempSync(join(tmpdir(), 'fm-three-'));
/** Three folders with nothing in common but the disk; one holds a space. */
const plans = [
  { id: 'us-east-1', jurisdiction: 'US', folder: join(root, 'a', 'east') },
  { id: 'us-west-2', jurisdiction: 'US', folder: join(root, 'second place', 'west') },
  { id: 'eu-west-1', jurisdiction: 'EU', folder: join(root, 'c', 'deep', 'europe') },
];
const urls = new Map<string, string>();
let stores: TestStores;
let running: FmeshProcess[] = [];
/** The first region, from the test that brings it back to the one that ends it. */
let eastRunning: FmeshProcess | undefined;

const east = (): FmeshProcess => {
  if (eastRunning === undefined) throw new Error('the first region does not run');
  return eastRunning;
};

const config = (folder: string): string => join(folder, 'region.yaml');

async function done(args: readonly string[], cwd = root): Promise<string> {
  const result = await fmesh(args, cwd);
  expect({ args, ...result }).toMatchObject({ code: 0 });
  return result.out;
}

async function serve(folder: string): Promise<FmeshProcess> {
  const one = startFmesh(['region', 'serve', '--config', config(folder)], root);
  running.push(one);
  await one.saying(': ready;');
  return one;
}

async function linksOf(url: string) {
  const client = new JsonClient(url, undefined);
  try {
    return (await syncStatus(client)).links;
  } finally {
    await client.close();
  }
}

beforeAll(async () => {
  const regions = plans.map(({ id }) => id);
  stores = await TestStores.start({ dataDir: root, regions, portBase: await freeMeshPortBase() });
  const bases = new Set<number>();
  while (bases.size < plans.length) bases.add(await freePortBase());
  await Promise.all(
    [...bases].map(async (base, at) => {
      const plan = plans[at];
      if (plan === undefined) throw new Error('more bases than regions');
      const { id, jurisdiction, folder } = plan;
      urls.set(id, `http://127.0.0.1:${base}`);
      mkdirSync(folder, { recursive: true });
      const named = ['--id', id, '--jurisdiction', jurisdiction];
      await done(['region', 'init', ...named, '--dir', folder, '--port-base', String(base)]);
      stores.writeInto(config(folder), id);
    }),
  );
  for (const [index, first] of plans.entries()) {
    for (const second of plans.slice(index + 1)) {
      const [invitation, answer] = [
        join(root, `${first.id}.${second.id}.json`),
        join(root, `${second.id}.${first.id}.json`),
      ];
      await done([
        'region',
        'invite',
        '--config',
        config(first.folder),
        '--for',
        second.id,
        '--out',
        invitation,
      ]);
      await done([
        'region',
        'add',
        '--config',
        config(second.folder),
        '--invitation',
        invitation,
        '--out',
        answer,
      ]);
      await done(['region', 'add', '--config', config(first.folder), '--invitation', answer]);
    }
  }
}, SLOW_MS);

afterAll(async () => {
  for (const one of running) one.child.kill('SIGTERM');
  await Promise.all(running.map(one => one.ended));
  await stores.stop();
  rmSync(root, { recursive: true, force: true });
}, SLOW_MS);

test('no secret of one region is in the files of another', () => {
  for (const plan of plans) {
    const secrets = ['signing.pem', 'link.nk', 'internal.token', 'nats.json'].map(name =>
      readFileSync(join(plan.folder, 'keys', name), 'utf8').trim(),
    );
    for (const other of plans.filter(one => one !== plan)) {
      const text = readFileSync(config(other.folder), 'utf8');
      for (const secret of secrets) expect(text).not.toContain(secret);
    }
  }
});

test(
  'three regions started by hand become ready, link up in both directions, and stop without leaving a process',
  async () => {
    await Promise.all(plans.map(plan => serve(plan.folder)));
    for (const plan of plans) {
      const url = urls.get(plan.id) ?? '';
      expect((await fetch(`${url}/health/ready`)).status).toBe(200);
      await expect
        .poll(
          async () =>
            (await linksOf(url))
              .filter(link => link.connected)
              .map(link => `${link.direction} ${link.peer}`)
              .toSorted(),
          { timeout: patienceMs(30_000) },
        )
        .toEqual(
          plans
            .filter(other => other !== plan)
            .flatMap(other => [`in ${other.id}`, `out ${other.id}`])
            .toSorted(),
        );
    }
    for (const one of running) one.child.kill('SIGINT');
    const results = await Promise.all(running.map(one => one.ended));
    running = [];
    expect(results.map(result => result.code)).toEqual([0, 0, 0]);
    for (const result of results) expect(result.err).not.toContain('was killed');
    // What the test itself runs for the regions stands in that folder too.
    const stores = join(root, 'stores');
    expect(processesNaming(root).filter(line => !line.includes(stores))).toEqual([]);
  },
  SLOW_MS,
);

test(
  'after kill -9 of the supervisor the next start ends what it left, and acknowledged rows are there',
  async () => {
    const [plan] = plans;
    if (plan === undefined) throw new Error('no region');
    const definitions = join(root, 'definitions');
    const region = ['--region', config(plan.folder)];
    await done(['init', definitions, '--home', plan.id]);
    const first = await serve(plan.folder);
    await done(['apply', ...region], definitions);
    await done([
      'write',
      'airport_weather',
      '--key',
      'airport=SEA',
      '--features',
      '{"temperature_c": 7.5}',
      ...region,
    ]);
    first.child.kill('SIGKILL');
    await first.ended;
    await expect
      .poll(() => processesNaming(config(plan.folder)), { timeout: patienceMs(20_000) })
      .toEqual([]);
    expect(processesNaming(plan.folder).join()).toContain('nats');
    const again = await serve(plan.folder);
    const read = await done([
      'read',
      '--features',
      'airport_weather:temperature_c',
      '--key',
      'airport=SEA',
      '--direct',
      '--json',
      ...region,
    ]);
    expect(JSON.parse(read)).toMatchObject({ results: [{ columns: [[7.5]], statuses: ['PRESENT'] }] });
    eastRunning = again;
  },
  SLOW_MS,
);

test(
  'a killed part is started again, and the region is ready again',
  async () => {
    const [plan] = plans;
    if (plan === undefined) throw new Error('no region');
    const one = east();
    const pid = (
      JSON.parse(readFileSync(join(plan.folder, 'data', 'run', 'service-0.pid'), 'utf8')) as { pid: number }
    ).pid;
    process.kill(pid, 'SIGKILL');
    await one.saying('service-0 ended with SIGKILL');
    const url = urls.get(plan.id) ?? '';
    await expect
      .poll(async () => (await fetch(`${url}/health/ready`).catch(() => undefined))?.status, {
        timeout: patienceMs(30_000),
      })
      .toBe(200);
  },
  SLOW_MS,
);

test(
  'a second run of the same region is refused, SIGTERM ends the first; a used port is named with its holder before anything starts',
  async () => {
    const [plan] = plans;
    if (plan === undefined) throw new Error('no region');
    const second = startFmesh(['region', 'serve', '--config', config(plan.folder)], root);
    await second.saying('waiting for it to stop');
    await wait(500);
    second.child.kill('SIGKILL');
    await second.ended;
    expect((await fetch(`${urls.get(plan.id)}/health/ready`)).status).toBe(200);
    east().child.kill('SIGTERM');
    expect((await east().ended).code).toBe(0);
    expect(processesNaming(plan.folder)).toEqual([]);
    const port = Number(new URL(urls.get(plan.id) ?? '').port) + 1;
    const holder = createServer();
    await new Promise<void>(resolve => holder.listen(port, '127.0.0.1', resolve));
    const refused = await fmesh(['region', 'serve', '--config', config(plan.folder)], root);
    expect(refused).toMatchObject({
      code: 8,
      err: expect.stringMatching(
        new RegExp(`PORT_IN_USE: .*${port} \\(gateway\\), held by pid ${process.pid}`),
      ),
    });
    expect(processesNaming(plan.folder)).toEqual([]);
    await new Promise(resolve => holder.close(resolve));
  },
  SLOW_MS,
);
