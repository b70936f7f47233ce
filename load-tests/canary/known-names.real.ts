import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type FmeshProcess, processesNaming, startFmesh } from '@featuremesh/cli/testing/fmesh-process';
import { syncStatusSchema } from '@featuremesh/contracts/admin-regions';
import { registryModesSchema } from '@featuremesh/contracts/admin-registry-mode';
import { RunningMesh } from '@featuremesh/infra/local-mesh/testing/running-mesh';
import { patienceMs } from '@featuremesh/infra/local-mesh/testing/test-profile';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { searchMesh } from './search-mesh.ts';

const SLOW_MS = patienceMs(180_000);
const POLL = { timeout: patienceMs(60_000), interval: 50 };
const [EAST, WEST, EUROPE] = ['us-east-1', 'us-west-2', 'eu-west-1'] as const;
const REGIONS = [EAST, WEST, EUROPE];
/** A name that stands nowhere by chance. */
const SECRET = 'payroll_zq7x';
const folder = mkdtempSync(join(tmpdir(), 'fm-names-'));
const officer = (id: string) => ['--officer', id, '--key', `.featuremesh/officers/${id}.pem`];
let mesh: RunningMesh;
let again: FmeshProcess[] = [];

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
};
const groupYaml = (name: string, home: string, regions: readonly string[], description: string) => `
entities:
  - {name: ${name}_key, joinKeys: [{name: k, type: string}]}
featureGroups:
  - name: ${name}
    entity: ${name}_key
    homeRegion: ${home}
    description: ${description}
    inputs: external
    sync: {mode: ${regions.length > 1 ? 'active-active' : 'local'}, regions: [${regions.join(', ')}]}
    features:
      - {name: ${name}_value, type: int64, nullable: true}
`;
const policyYaml = (version: number, visibility: string) => `
- name: ${SECRET}-stays
  home: ${EAST}
  version: ${version}
  select: {groups: [${EAST}/${SECRET}]}
  allowed: {regions: [${EAST}, ${WEST}]}
  rows: shared
  visibility: ${visibility}
`;

async function done(...args: string[]): Promise<string> {
  const result = await mesh.fmesh(...args);
  expect({ args, ...result }).toMatchObject({ code: 0 });
  return result.out;
}

async function apply(
  name: string,
  home: string,
  description: string,
  regions: readonly string[] = [home],
): Promise<void> {
  write(`features/${name}.yaml`, groupYaml(name, home, regions, description));
  await done('apply', `features/${name}.yaml`);
}

/** What a region's gateway knows of a group by name; null where nothing. */
async function known(region: string, ref: string): Promise<{ description: string } | null> {
  const query = `{ featureGroup(ref: ${JSON.stringify(ref)}) { description } }`;
  const answer = await mesh
    .post(`${mesh.url(region, 'gatewayUrl')}/graphql`, { query })
    .catch(() => undefined);
  return (
    (answer?.body['data'] as { featureGroup: { description: string } | null } | undefined)?.featureGroup ??
    null
  );
}

async function knownEverywhere(
  ref: string,
  description: string,
  regions: readonly string[] = REGIONS,
): Promise<number> {
  const startedMs = performance.now();
  for (const region of regions)
    await expect.poll(async () => (await known(region, ref))?.description, POLL).toBe(description);
  return performance.now() - startedMs;
}

/** Rows that a region holds of a group's first version; null where it has no table of it. */
async function rowsHeld(region: string, name: string): Promise<number | null | undefined> {
  const answer = await (await fetch(`${mesh.url(region)}/v1/admin/sync`)).json();
  return syncStatusSchema.parse(answer).groups.find(({ group }) => group === name)?.rows;
}

async function enforcePolicy(version: number, visibility: string): Promise<void> {
  write('policies/secret.yaml', policyYaml(version, visibility));
  await done('policy', 'propose', 'policies/secret.yaml', ...officer('owner'));
  await done('policy', 'approve', `${SECRET}-stays`, '--version', String(version), ...officer('officer-1'));
  const { policies } = JSON.parse(await done('policy', 'list', '--json', '--region', EAST)) as {
    policies: { state: string; record: { document: { version: number } } }[];
  };
  const wanting = policies.find(({ record }) => record.document.version === version)?.state === 'proposed';
  if (wanting)
    await done('policy', 'approve', `${SECRET}-stays`, '--version', String(version), ...officer('officer-2'));
}

async function decide(mode: string, at: string): Promise<void> {
  await done('registry', 'propose', mode, '--region', at, ...officer('owner'));
  for (const id of ['officer-1', 'officer-2'])
    await done('registry', 'approve', '--region', at, ...officer(id));
}

async function modes(region: string) {
  return registryModesSchema.parse(await (await fetch(`${mesh.url(region)}/v1/admin/registry-mode`)).json());
}

/** The region's decision in force has this centre, and that has taken over. */
async function centreIn(region: string, centre: string): Promise<void> {
  await expect
    .poll(async () => {
      const { decisions } = await modes(region);
      const { record, takenOverBy } = decisions.find(({ state }) => state === 'in-force') ?? {};
      return [record?.document.mode, takenOverBy];
    }, POLL)
    .toEqual([{ kind: 'central', region: centre }, [centre]]);
}

function kill(region: string): void {
  for (const line of processesNaming(join(mesh.dataDir, 'regions', region)))
    process.kill(Number.parseInt(line, 10), 'SIGKILL');
}

async function serve(region: string): Promise<void> {
  const config = join(mesh.dataDir, 'regions', region, 'region.yaml');
  const one = startFmesh(['region', 'serve', '--config', config], folder);
  again.push(one);
  await one.saying(': ready;');
}

beforeAll(async () => {
  mesh = await RunningMesh.start(folder, ['--wan', 'off']);
}, SLOW_MS);

afterAll(async () => {
  for (const one of again) one.child.kill('SIGTERM');
  await Promise.all(again.map(one => one.ended));
  again = [];
  await mesh.stop();
  expect(processesNaming(mesh.dataDir)).toEqual([]);
  rmSync(folder, { recursive: true, force: true });
}, SLOW_MS);

test(
  'C1: a hidden group is known where its rows may be, and its name is in no file, stream, store, log or metric of a third region',
  async () => {
    await enforcePolicy(1, 'hidden');
    await apply(SECRET, EAST, 'hidden', [EAST, WEST]);
    await apply('open', EAST, 'open');
    await knownEverywhere(`${EAST}/${SECRET}`, 'hidden', [EAST, WEST]);
    // What was told later than the secret is here.
    await knownEverywhere(`${EAST}/open`, 'open');
    expect(await known(EUROPE, `${EAST}/${SECRET}`)).toBeNull();
    const { findings, hollow, unreadable } = await searchMesh({
      regions: REGIONS.map(id => ({
        id,
        configPath: join(mesh.dataDir, 'regions', id, 'region.yaml'),
        running: true,
      })),
      needles: [
        {
          name: 'the name',
          value: { kind: 'text', text: SECRET },
          placement: [EAST, WEST],
          gateways: [EAST, WEST],
        },
      ],
    });
    expect(new Set(findings.map(({ region }) => region))).toEqual(new Set([EAST, WEST]));
    expect(findings.filter(({ region }) => region === EUROPE)).toEqual([]);
    expect([...hollow, ...unreadable].filter(text => text.includes(EUROPE))).toEqual([]);
  },
  SLOW_MS,
);

test(
  'M1, M2: a centre accepts for all, all serve on while it is down and after restarts, and its successor fences it',
  async () => {
    await apply('clicks', EUROPE, 'federated');
    const federatedMs = await knownEverywhere(`${EUROPE}/clicks`, 'federated');
    await decide(`central:${EAST}`, WEST);
    for (const region of REGIONS) await centreIn(region, EAST);
    // The command line goes to the home region first, and from there to the centre.
    await apply('clicks', EUROPE, 'central');
    const centralMs = await knownEverywhere(`${EUROPE}/clicks`, 'central');
    const promoted = await done('promote', `${EUROPE}/clicks@v1`, '--json');
    const retiring = await done('retire', 'clicks', '--region', EUROPE, '--purge', '--dry-run', '--json');
    for (const [answer, outcome] of [
      [promoted, 'unchanged'],
      [retiring, 'planned'],
    ] as const)
      expect(JSON.parse(answer)).toMatchObject({ group: `${EUROPE}/clicks`, outcome });
    console.info(
      `apply until known everywhere: federated ${federatedMs.toFixed(0)} ms, central ${centralMs.toFixed(0)} ms`,
    );
    kill(EAST);
    kill(EUROPE);
    await expect.poll(() => processesNaming(join(mesh.dataDir, 'regions', EUROPE)), POLL).toEqual([]);
    await serve(EUROPE);
    const written = await mesh.post(`${mesh.url(EUROPE)}/v1/groups/clicks/rows`, {
      rows: [{ key: { k: 'a' }, eventTime: '2026-01-01T00:00:00Z', features: { clicks_value: '7' } }],
    });
    expect(written.body).toMatchObject({ accepted: 1 });
    const read = await mesh.post(`${mesh.url(EUROPE)}/v1/online/read`, {
      features: ['clicks:clicks_value'],
      keys: { k: ['a'] },
    });
    expect(read.body).toMatchObject({ results: [{ columns: [['7']] }] });
    write('features/clicks.yaml', groupYaml('clicks', EUROPE, [EUROPE], 'by nobody'));
    const outage = await mesh.fmesh('apply', 'features/clicks.yaml');
    expect(outage).toMatchObject({
      code: expect.not.stringMatching('^0$'),
      err: expect.stringContaining('REGION_UNAVAILABLE'),
    });
    await decide(`central:${WEST}`, WEST);
    await centreIn(EUROPE, WEST);
    await apply('clicks', EUROPE, 'by the successor');
    await knownEverywhere(`${EUROPE}/clicks`, 'by the successor', [WEST, EUROPE]);
    await serve(EAST);
    await centreIn(EAST, WEST);
    await knownEverywhere(`${EUROPE}/clicks`, 'by the successor');
    write('features/own.yaml', groupYaml('own', EAST, [EAST], 'too late'));
    const refused = await mesh.fmesh('plan', 'features/own.yaml', '--json');
    expect(refused.code).toBe(0);
    const direct = await mesh.post(`${mesh.url(EAST)}/v1/admin/promotions`, { group: `${EUROPE}/clicks@v1` });
    expect(direct.body).toMatchObject({ code: 'NOT_HOME', home: WEST, publicUrl: mesh.url(WEST) });
    expect(await rowsHeld(EUROPE, `${EUROPE}/clicks`)).toBe(1);
    await done('retire', `${EUROPE}/clicks`, '--purge');
    await expect.poll(() => rowsHeld(EUROPE, `${EUROPE}/clicks`), POLL).toBe(null);
    // Each region says for itself what became of the rows there, and when.
    await expect
      .poll(() => done('describe', `${EUROPE}/clicks`), POLL)
      .toMatch(/purged +eu-west-1 deleted 20\S+Z; us-east-1 held none; us-west-2 held none$/m);
    expect((await mesh.fmesh('status')).out).toMatch(/eu-west-1\/clicks@v1 +purged: deleted 20\S+Z/);
  },
  SLOW_MS,
);
