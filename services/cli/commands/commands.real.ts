import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freeMeshPortBase, patienceMs } from '@featuremesh/infra/local-mesh/testing/test-profile';
import { TestStores } from '@featuremesh/infra/local-mesh/testing/test-stores';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EXIT } from '../exit-code.ts';
import { type FmeshProcess, fmesh, startFmesh } from '../testing/fmesh-process.ts';

const SLOW_MS = patienceMs(120_000);
const ROWS = 20_000;
const BAD_LINE = 15_000;
const root = mkdtempSync(join(tmpdir(), 'fm commands '));
const config = join(root, 'region', 'region.yaml');
let region: FmeshProcess | undefined;
let stores: TestStores;

/** A command against the region, in the folder of definitions. */
function at(...args: string[]) {
  return fmesh([...args, '--region', config], root);
}

async function json(...args: string[]): Promise<unknown> {
  return JSON.parse((await at(...args, '--json')).out);
}

beforeAll(async () => {
  const base = await freeMeshPortBase();
  stores = await TestStores.start({ dataDir: root, regions: ['us-east-1'], portBase: base });
  for (const [id, roles] of [
    ['ada', 'owner'],
    ['bo', 'compliance'],
    ['cy', 'compliance'],
  ] as const) {
    expect(
      (await fmesh(['policy', 'officer', '--id', id, '--roles', roles, '--out', 'officers'], root)).code,
    ).toBe(EXIT.done);
  }
  await fmesh(
    [
      'region',
      'init',
      '--id',
      'us-east-1',
      '--jurisdiction',
      'US',
      '--dir',
      'region',
      '--port-base',
      String(base),
      ...['ada', 'bo', 'cy'].flatMap(id => ['--officer', `officers/${id}.json`]),
    ],
    root,
  );
  stores.writeInto(config, 'us-east-1');
  await fmesh(['init', '.'], root);
  region = startFmesh(['region', 'serve', '--config', config], root);
  await region.saying(': ready;');
  expect((await at('apply')).code).toBe(EXIT.done);
}, SLOW_MS);

afterAll(async () => {
  region?.child.kill('SIGTERM');
  await region?.ended;
  await stores.stop();
  rmSync(root, { recursive: true, force: true });
}, SLOW_MS);

test(
  'a definition that was applied is unchanged in the next plan, listed and described',
  async () => {
    expect(await json('plan')).toMatchObject({
      regions: [
        { home: 'us-east-1', changes: [{ kind: 'unchanged' }, { kind: 'unchanged' }, { kind: 'unchanged' }] },
      ],
    });
    expect(await json('list')).toMatchObject({
      groups: [{ home: 'us-east-1', name: 'airport_weather' }],
      services: [{ name: 'weather_model' }],
    });
    expect((await at('describe', 'airport_weather')).out).toMatch(/temperature_c +float64 +nullable/);
    expect((await at('describe', 'weather_model', '--service')).code).toBe(EXIT.done);
    expect((await at('policy', 'explain', 'airport_weather')).out).toContain(
      'none: the group stays in its home region',
    );
  },
  SLOW_MS,
);

test(
  'a row that is written is read, by feature and by service; errors carry their code, the place and the next step',
  async () => {
    expect(
      (await at('write', 'airport_weather', '--key', 'airport=SEA', '--feature', 'temperature_c=7.5')).code,
    ).toBe(EXIT.done);
    expect(
      await json('read', '--features', 'airport_weather:temperature_c', '--key', 'airport=SEA,XXX'),
    ).toMatchObject({
      rows: 2,
      results: [{ columns: [[7.5, null]], statuses: [['PRESENT', 'NOT_FOUND']] }],
    });
    expect(await json('read', '--service', 'weather_model', '--key', 'airport=SEA')).toMatchObject({
      rows: 1,
    });
    const unknown = await at('write', 'airport_wether', '--key', 'airport=SEA');
    expect(unknown).toMatchObject({
      code: EXIT.invalid,
      err: expect.stringMatching(/UNKNOWN_GROUP[\s\S]*Next: /),
    });
    const wrongType = await at(
      'write',
      'airport_weather',
      '--key',
      'airport=SEA',
      '--features',
      '{"temperature_c": "warm"}',
    );
    expect(wrongType).toMatchObject({ code: EXIT.invalid, out: expect.stringContaining('INVALID_VALUE') });
    expect(wrongType.out + wrongType.err).not.toContain('SEA');
    expect((await at('read', '--features', 'airport_weather:nothing', '--key', 'airport=SEA')).code).toBe(
      EXIT.invalid,
    );
  },
  SLOW_MS,
);

test(
  'an import names the bad line, loses nothing else, and a second run applies nothing again',
  async () => {
    const line = (number: number): string =>
      number === BAD_LINE
        ? '{nonsense'
        : JSON.stringify({
            key: { airport: `A${number % 500}` },
            eventTime: `2026-01-01T00:00:00.${String(number).padStart(6, '0')}Z`,
            features: { temperature_c: number },
          });
    writeFileSync(
      join(root, 'rows.ndjson'),
      `${Array.from({ length: ROWS }, (_, number) => line(number)).join('\n')}\n`,
    );
    const rejected = [{ row: BAD_LINE, line: BAD_LINE + 1, code: 'MALFORMED_ROW' }];
    const first = await at('import', 'airport_weather', 'rows.ndjson', '--json');
    expect(first.code).toBe(EXIT.partly);
    expect(JSON.parse(first.out)).toMatchObject({
      rows: ROWS,
      accepted: ROWS - 1,
      duplicates: 0,
      rejectedTotal: 1,
      rejected,
    });
    expect(await json('import', 'airport_weather', 'rows.ndjson')).toMatchObject({
      rows: ROWS,
      accepted: 0,
      duplicates: ROWS - 1,
      rejectedTotal: 1,
      rejected,
    });
  },
  SLOW_MS,
);

test(
  'a loosening comes into force by its author and two other officers, and by nobody else',
  async () => {
    const policy = 'policies/airports.yaml';
    const by = (id: string): string[] => ['--officer', id, '--key', `officers/${id}.pem`];
    expect(await json('policy', 'plan', policy)).toMatchObject({
      policies: [{ name: 'weather-stays-home', plan: { change: 'loosening', requiredApprovals: 2 } }],
    });
    expect((await at('policy', 'propose', policy, ...by('ada'))).code).toBe(EXIT.done);
    expect(await at('policy', 'approve', 'weather-stays-home', ...by('ada'))).toMatchObject({
      code: EXIT.refused,
    });
    const posing = await at(
      'policy',
      'approve',
      'weather-stays-home',
      '--officer',
      'bo',
      '--key',
      'officers/cy.pem',
    );
    expect(posing).toMatchObject({ code: EXIT.refused, err: expect.stringContaining('INVALID_SIGNATURE') });
    expect((await at('policy', 'approve', 'weather-stays-home', ...by('bo'))).out).toContain(
      '1 of 2 approvals',
    );
    expect(await json('policy', 'list')).toMatchObject({ policies: [{ state: 'proposed', approvals: 1 }] });
    expect((await at('policy', 'approve', 'us-east-1/weather-stays-home', ...by('cy'))).code).toBe(EXIT.done);
    expect(await json('policy', 'list')).toMatchObject({
      policies: [{ state: 'in-force', approvals: 2, record: { epoch: 1 } }],
    });
    expect(await json('policy', 'explain', 'airport_weather')).toMatchObject({
      egress: 'in-domain',
      policies: [{ name: 'weather-stays-home', version: 1 }],
    });
  },
  SLOW_MS,
);

test(
  'a new version is planned, held to its revision, promoted, recorded and searched for; the record verifies',
  async () => {
    const file = join(root, 'features', 'airports.yaml');
    const before = readFileSync(file, 'utf8');
    const named = before.replace('owner: you@example.com', 'owner: you@example.com\n    team: sky');
    writeFileSync(file, named.replace('type: int32', 'type: int64'));
    const plan = await at('plan');
    expect(plan.out).toMatch(/! group us-east-1\/airport_weather@v2 r1: new version/);
    expect(plan.out).toMatch(
      /NEW VERSION: feature visibility_m changes from int32 to int64; .* starts empty/,
    );
    expect(plan.out).toContain('`production` stays at v1');
    const expected = /--expected-revision (\S+)/.exec(plan.out)?.[1] ?? '';
    expect((await at('apply', '--dry-run', '--expected-revision', expected)).code).toBe(EXIT.done);
    expect(await at('apply', '--expected-revision', 'us-east-1=1')).toMatchObject({
      code: EXIT.conflict,
      err: expect.stringContaining('CONCURRENT_CHANGE'),
    });
    expect((await at('apply', '--expected-revision', expected, '--by', 'ada')).code).toBe(EXIT.done);
    expect((await at('promote', 'airport_weather@v3')).err).toContain('UNKNOWN_VERSION');
    expect((await at('promote', 'airport_weather@v2', '--by', 'ada')).out).toMatch(
      /v2 {2}active, production/,
    );
    expect((await at('retire', 'airport_weather')).err).toMatch(/STILL_USED.*weather_model/);
    expect((await at('retire', 'airport_weather', '--purge')).err).toMatch(/STILL_USED.*weather_model/);
    expect(await json('list', '--team', 'sky', '--held-in', 'us-east-1')).toMatchObject({
      groups: [{ version: 1 }, { version: 2, aliases: ['production', 'latest'] }],
      services: [],
    });
    expect((await at('describe', 'airport_weather@v1')).out).toMatch(
      /downstream +service us-east-1\/weather_model@v1/,
    );
    expect(await json('audit', 'list', '--limit', '1')).toMatchObject({
      records: [{ actor: 'ada (not verified)', what: expect.stringContaining('production v1 → v2') }],
    });
    const { head } = (await json('audit', 'verify')) as { head: { revision: number; hash: string } };
    const kept = `${head.revision}=${head.hash}`;
    expect((await at('audit', 'verify', '--expect', kept)).code).toBe(EXIT.done);
    const forged = kept.replace(/.$/, digit => (digit === '0' ? '1' : '0'));
    expect(await at('audit', 'verify', '--expect', forged)).toMatchObject({
      code: EXIT.partly,
      out: expect.stringContaining('NOT WHOLE'),
    });
  },
  SLOW_MS,
);

test(
  'status and doctor find the region healthy; a part that does not answer is named with its log',
  async () => {
    expect(await at('status')).toMatchObject({
      code: EXIT.done,
      out: expect.stringMatching(/us-east-1 +ready +ready/),
    });
    expect((await at('doctor', '--config', config)).code).toBe(EXIT.done);
    const elsewhere = await fmesh(['doctor', '--region', 'http://127.0.0.1:9'], root);
    expect(elsewhere).toMatchObject({
      code: EXIT.partly,
      out: expect.stringMatching(/WRONG +region service: it does not answer/),
    });
  },
  SLOW_MS,
);
