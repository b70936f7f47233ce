import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freeMeshPortBase, patienceMs } from '@featuremesh/infra/local-mesh/testing/test-profile';
import { TestStores } from '@featuremesh/infra/local-mesh/testing/test-stores';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { regionList, syncStatus } from '../http/admin-client.ts';
import { JsonClient } from '../http/json-client.ts';
import {
  type FmeshProcess,
  fmesh,
  freePortBase,
  processesNaming,
  startFmesh,
} from '../testing/fmesh-process.ts';

const SLOW_MS = patienceMs(120_000);
const root = mkdtempSync(join(tmpdir(), 'fm-join-'));
const running: FmeshProcess[] = [];
let stores: TestStores;

async function done(args: readonly string[]): Promise<void> {
  const result = await fmesh(args, root);
  expect({ args, ...result }).toMatchObject({ code: 0 });
}

async function asked<T>(url: string, question: (client: JsonClient) => Promise<T>): Promise<T> {
  const client = new JsonClient(url, undefined);
  try {
    return await question(client);
  } finally {
    await client.close();
  }
}

/** A region of its own that runs. */
async function begin(id: string, base: number) {
  const folder = join(root, id);
  const config = join(folder, 'region.yaml');
  const named = ['--id', id, '--jurisdiction', 'US', '--dir', folder];
  await done(['region', 'init', ...named, '--port-base', String(base)]);
  stores.writeInto(config, id);
  const process = startFmesh(['region', 'serve', '--config', config], root);
  running.push(process);
  await process.saying(': ready;');
  return { id, config, process, url: `http://127.0.0.1:${base}` };
}

beforeAll(async () => {
  stores = await TestStores.start({
    dataDir: root,
    regions: ['north', 'south'],
    portBase: await freeMeshPortBase(),
  });
}, SLOW_MS);

afterAll(async () => {
  for (const one of running) one.child.kill('SIGTERM');
  await Promise.all(running.map(one => one.ended));
  await stores.stop();
  expect(processesNaming(root)).toEqual([]);
  rmSync(root, { recursive: true, force: true });
}, SLOW_MS);

test(
  'two regions that run already join: both take the new peer over by themselves, and the links come up',
  async () => {
    const bases = new Set<number>();
    while (bases.size < 2) bases.add(await freePortBase());
    const [northBase = 0, southBase = 0] = bases;
    const [north, south] = await Promise.all([begin('north', northBase), begin('south', southBase)]);
    await done([
      'region',
      'invite',
      '--config',
      north.config,
      '--for',
      'south',
      '--out',
      join(root, 'invitation.json'),
    ]);
    await done([
      'region',
      'add',
      '--config',
      south.config,
      '--invitation',
      join(root, 'invitation.json'),
      '--out',
      join(root, 'answer.json'),
    ]);
    await done(['region', 'add', '--config', north.config, '--invitation', join(root, 'answer.json')]);
    for (const [one, other] of [
      [north, south],
      [south, north],
    ] as const) {
      await one.process.saying('region.yaml is in force');
      const links = () =>
        asked(one.url, async client =>
          (await syncStatus(client)).links
            .filter(link => link.connected)
            .map(link => `${link.direction} ${link.peer}`)
            .toSorted(),
        );
      await expect
        .poll(links, { timeout: patienceMs(40_000) })
        .toEqual([`in ${other.id}`, `out ${other.id}`]);
      const known = () =>
        asked(one.url, async client =>
          (await regionList(client)).regions.map(region => region.id).toSorted(),
        );
      await expect.poll(known, { timeout: patienceMs(10_000) }).toEqual(['north', 'south']);
    }
  },
  SLOW_MS,
);
