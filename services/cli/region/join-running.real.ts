import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { regionList, syncStatus } from '../http/admin-client.ts';
import { JsonClient } from '../http/json-client.ts';
import {
  type FmeshProcess,
  fmesh,
  freePortBase,
  processesNaming,
  startFmesh,
} from '../testing/fmesh-process.ts';

const SLOW_MS = 120_000;
const root = mkdtempSync(join(tmpdir(), 'fm-join-'));
const running: FmeshProcess[] = [];

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

afterAll(async () => {
  for (const one of running) one.child.kill('SIGTERM');
  await Promise.all(running.map(one => one.ended));
  expect(processesNaming(root)).toEqual([]);
  rmSync(root, { recursive: true, force: true });
}, SLOW_MS);

test(
  'two regions that run already join: both take the new peer over by themselves, and the links come up',
  async () => {
    const regions = [];
    for (const id of ['north', 'south']) {
      const base = await freePortBase();
      const config = join(root, id, 'region.yaml');
      await done([
        'region',
        'init',
        '--id',
        id,
        '--jurisdiction',
        'US',
        '--dir',
        join(root, id),
        '--port-base',
        String(base),
      ]);
      const process = startFmesh(['region', 'serve', '--config', config], root);
      running.push(process);
      await process.saying(': ready;');
      regions.push({ id, config, process, url: `http://127.0.0.1:${base}` });
    }
    const [north, south] = regions;
    if (north === undefined || south === undefined) throw new Error('two regions');
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
      await expect.poll(links, { timeout: 40_000 }).toEqual([`in ${other.id}`, `out ${other.id}`]);
      const known = () =>
        asked(one.url, async client =>
          (await regionList(client)).regions.map(region => region.id).toSorted(),
        );
      await expect.poll(known, { timeout: 10_000 }).toEqual(['north', 'south']);
    }
  },
  SLOW_MS,
);
