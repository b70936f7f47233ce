import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT } from '@featuremesh/cli/exit-code';
import { freePortBase, processesNaming } from '@featuremesh/cli/testing/fmesh-process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeAcceptanceFiles } from './testing/acceptance-files.ts';
import { RunningMesh, refusedStart } from './testing/running-mesh.ts';
import { patienceMs } from './testing/test-profile.ts';

const SLOW_MS = patienceMs(120_000);
const EVENT = '2026-01-01T00:00:00Z';
const BAD_LINE = 70_001;
const EAST = 'us-east-1';
const WEST = 'us-west-2';
const EUROPE = 'eu-west-1';
/** A path with a space, as users have them. */
const folder = mkdtempSync(join(tmpdir(), 'fm acceptance '));
let mesh: RunningMesh;

const row = (airport: string, features: object = { mean_delay: 1 }, more: object = {}) => ({
  key: { airport },
  eventTime: EVENT,
  features,
  ...more,
});
const signedBy = (officer: string, key = `.featuremesh/officers/${officer}.pem`) => [
  '--officer',
  officer,
  '--key',
  key,
];
const rowsUrl = (group: string, region = EAST) => `${mesh.url(region)}/v1/groups/${group}/rows`;
const json = (text: string): unknown => JSON.parse(text);

beforeAll(async () => {
  writeAcceptanceFiles(folder, BAD_LINE);
  mesh = await RunningMesh.start(folder);
  const applied = await mesh.fmesh('apply', 'features');
  expect(applied).toMatchObject({ code: EXIT.done });
}, SLOW_MS);

afterAll(async () => {
  await mesh.stop();
  expect(processesNaming(mesh.dataDir)).toEqual([]);
  rmSync(folder, { recursive: true, force: true });
}, SLOW_MS);

/** What a gateway says of a read, and `fmesh read` of the same: code, next step and exit status. */
async function refusedRead(
  read: object,
  args: readonly string[],
  expected: { code: string; status: number; exit: number },
): Promise<void> {
  for (const url of [mesh.url(EAST), mesh.url(EAST, 'gatewayUrl')]) {
    const answer = await mesh.post(`${url}/v1/online/read`, read);
    expect([answer.body['code'], answer.status]).toEqual([expected.code, expected.status]);
    expect(answer.type).toContain('application/problem+json');
  }
  const said = await mesh.fmesh('read', ...args);
  expect(said).toMatchObject({
    code: expected.exit,
    out: '',
    err: expect.stringMatching(new RegExp(`^${expected.code}: [\\s\\S]*Next: `)),
  });
}

describe('bad rows lose nothing but themselves', () => {
  test(
    'each bad row of a batch has its code and its index, the good ones are read back',
    async () => {
      const answer = await mesh.post(rowsUrl('delays'), {
        rows: [
          row('first'),
          row('twice'),
          row('twice'),
          row('future', {}, { eventTime: '2099-01-01T00:00:00Z' }),
          row('x', {}, { key: {} }),
          row('x', { nothing: 1 }),
          row('x', { mean_delay: 'NaN' }),
          row('x', { mean_delay: 'warm' }),
          row('x', {}, { key: { airport: 'x', other: 'y' } }),
          5,
          row('last', { flights: '9007199254740993' }),
        ],
      });
      expect(answer).toMatchObject({ status: 207, body: { accepted: 3, duplicates: 0, rejectedTotal: 8 } });
      const rejected = answer.body['rejected'] as readonly { index: number; code: string }[];
      expect(rejected.map(({ index, code }) => [index, code])).toEqual([
        [2, 'DUPLICATE_ROW'],
        [3, 'EVENT_TIME_IN_FUTURE'],
        [4, 'MISSING_KEY'],
        [5, 'UNKNOWN_FEATURE'],
        [6, 'NON_FINITE'],
        [7, 'INVALID_VALUE'],
        [8, 'UNKNOWN_KEY'],
        [9, 'MALFORMED_ROW'],
      ]);
      const read = await mesh.fmesh(
        'read',
        '--features',
        'delays:mean_delay,delays:flights',
        '--key',
        'airport=first,twice,future,last',
        '--json',
      );
      expect(json(read.out)).toMatchObject({
        results: [
          {
            columns: [
              [1, 1, null, null],
              [null, null, null, '9007199254740993'],
            ],
            statuses: [
              ['PRESENT', 'PRESENT', 'NOT_FOUND', 'NULL_VALUE'],
              ['NULL_VALUE', 'NULL_VALUE', 'NOT_FOUND', 'PRESENT'],
            ],
          },
        ],
      });
    },
    SLOW_MS,
  );

  test(
    'an int64 beyond 2^53 as a number is judged on its text, over HTTP and by fmesh',
    async () => {
      const text = `{"rows":[${JSON.stringify(row('precise')).replace('"mean_delay":1', '"flights":9007199254740993')}]}`;
      expect(await mesh.post(rowsUrl('delays'), text)).toMatchObject({
        status: 422,
        body: { accepted: 0, rejected: [{ index: 0, code: 'INT64_PRECISION' }] },
      });
      const options = ['--features', '{"flights": 9007199254740993}'];
      expect(await mesh.fmesh('write', 'delays', '--key', 'airport=precise', ...options)).toMatchObject({
        code: EXIT.invalid,
        out: expect.stringMatching(/INT64_PRECISION[\s\S]*Next \(INT64_PRECISION\): /),
      });
    },
    SLOW_MS,
  );

  test(
    'NaN is no JSON, an overflowing number and a text are not finite; null is stored where it is asked for',
    async () => {
      const body = (value: string) =>
        `{"rows":[${JSON.stringify(row('nan')).replace('"mean_delay":1', `"mean_delay":${value}`)}]}`;
      expect(await mesh.post(rowsUrl('delays'), body('NaN'))).toMatchObject({
        status: 400,
        body: { code: 'MALFORMED_JSON' },
      });
      expect(await mesh.post(rowsUrl('delays'), body('1e999'))).toMatchObject({
        status: 422,
        body: { rejected: [{ code: 'NON_FINITE' }] },
      });
      const write = ['write', 'delays', '--key', 'airport=nan', '--feature', 'mean_delay=NaN'];
      expect(await mesh.fmesh(...write)).toMatchObject({
        code: EXIT.invalid,
        out: expect.stringMatching(/NON_FINITE[\s\S]*--non-finite null/),
      });
      expect(await mesh.fmesh(...write, '--non-finite', 'null')).toMatchObject({ code: EXIT.done });
    },
    SLOW_MS,
  );

  test(
    'a malformed line 70,001 of an import is named by its number, and all others are there',
    async () => {
      const imported = await mesh.fmesh('import', 'delays', 'bad/lines.ndjson', '--json');
      expect(imported.code).toBe(EXIT.partly);
      expect(json(imported.out)).toMatchObject({
        rows: 71_000,
        accepted: 70_999,
        duplicates: 0,
        rejectedTotal: 1,
        rejected: [{ line: BAD_LINE, code: 'MALFORMED_ROW' }],
      });
      const again = await mesh.fmesh('import', 'delays', 'bad/lines.ndjson');
      expect(again).toMatchObject({
        code: EXIT.partly,
        out: expect.stringMatching(/0 accepted, 70999 duplicates[\s\S]*\n70001 +MALFORMED_ROW[\s\S]*Next/),
      });
      // The last line of each key wins: those before and after the bad one are there.
      const read = await mesh.fmesh(
        'read',
        '--features',
        'delays:mean_delay',
        '--key',
        `airport=line-${70_000 % 700},line-${70_002 % 700},line-${71_000 % 700}`,
        '--json',
      );
      expect(json(read.out)).toMatchObject({ results: [{ columns: [[70_700, 70_702, 71_000]] }] });
    },
    SLOW_MS,
  );

  test(
    'an idempotency key for another body is refused, the first body stays',
    async () => {
      const write = (value: number) =>
        mesh.fmesh(
          'write',
          'delays',
          '--key',
          'airport=once',
          '--feature',
          `mean_delay=${value}`,
          '--event-time',
          EVENT,
          '--idempotency-key',
          'order-1',
        );
      expect((await write(1)).code).toBe(EXIT.done);
      expect((await write(1)).out).toContain('duplicates 1');
      expect(await write(2)).toMatchObject({
        code: EXIT.invalid,
        err: expect.stringMatching(/IDEMPOTENCY_KEY_REUSED[\s\S]*Next: /),
      });
      const read = await mesh.fmesh(
        'read',
        '--features',
        'delays:mean_delay',
        '--key',
        'airport=once',
        '--json',
      );
      expect(json(read.out)).toMatchObject({ results: [{ columns: [[1]] }] });
    },
    SLOW_MS,
  );
});

describe('bad requests as a whole', () => {
  test(
    'malformed and oversized bodies are refused at region, gateway and fmesh, each with its code',
    async () => {
      const targets = [
        rowsUrl('delays'),
        `${mesh.url(EAST)}/v1/online/read`,
        `${mesh.url(EAST, 'gatewayUrl')}/v1/online/read`,
      ];
      for (const url of targets) {
        expect(await mesh.post(url, '{"rows":[')).toMatchObject({
          status: 400,
          body: { code: 'MALFORMED_JSON' },
        });
        const big = `{"rows":["${'x'.repeat(17 * 1024 * 1024)}"]}`;
        expect(await mesh.post(url, big)).toMatchObject({ status: 413, body: { code: 'BODY_TOO_LARGE' } });
      }
      expect(await mesh.fmesh('write', 'delays', '--file', 'bad/broken.json')).toMatchObject({
        code: EXIT.invalid,
        err: expect.stringMatching(/MALFORMED_JSON: bad\/broken\.json[\s\S]*Next: /),
      });
      expect(await mesh.fmesh('write', 'delays', '--file', 'bad/big.json')).toMatchObject({
        code: EXIT.invalid,
        err: expect.stringMatching(/BODY_TOO_LARGE[\s\S]*Next: .*fmesh import/),
      });
    },
    SLOW_MS,
  );

  test(
    'unknown groups, features and services are named, for reads and for writes',
    async () => {
      const key = { keys: { airport: 'first' } };
      const exit = EXIT.invalid;
      await refusedRead(
        { features: ['nothing:x'], ...key },
        ['--features', 'nothing:x', '--key', 'airport=first'],
        { code: 'UNKNOWN_GROUP', status: 404, exit },
      );
      await refusedRead(
        { features: ['delays:nothing'], ...key },
        ['--features', 'delays:nothing', '--key', 'airport=first'],
        { code: 'UNKNOWN_FEATURE', status: 400, exit },
      );
      await refusedRead({ service: 'nothing', ...key }, ['--service', 'nothing', '--key', 'airport=first'], {
        code: 'UNKNOWN_SERVICE',
        status: 404,
        exit,
      });
      expect(await mesh.post(rowsUrl('nothing'), { rows: [row('x')] })).toMatchObject({
        status: 404,
        body: { code: 'UNKNOWN_GROUP' },
      });
      expect(await mesh.fmesh('import', 'nothing', 'bad/lines.ndjson')).toMatchObject({
        code: exit,
        err: expect.stringMatching(/UNKNOWN_GROUP[\s\S]*Next: .*fmesh list/),
      });
    },
    SLOW_MS,
  );

  test(
    'features with service, arrays of unequal length and a missing key part are refused before anything is read',
    async () => {
      const exit = EXIT.invalid;
      await refusedRead(
        { features: ['delays:flights'], service: 'delay_model', keys: { airport: 'first' } },
        ['--features', 'delays:flights', '--service', 'delay_model', '--key', 'airport=first'],
        { code: 'SERVICE_AND_FEATURES', status: 400, exit },
      );
      await refusedRead(
        { features: ['travellers:tier'], keys: { traveller: ['t1', 't2'], residence: [EAST, EAST, EAST] } },
        [
          '--features',
          'travellers:tier',
          '--key',
          'traveller=t1,t2',
          '--key',
          `residence=${EAST},${EAST},${EAST}`,
        ],
        { code: 'UNEQUAL_LENGTHS', status: 400, exit },
      );
      await refusedRead(
        { features: ['travellers:tier'], keys: { traveller: 't1' } },
        ['--features', 'travellers:tier', '--key', 'traveller=t1'],
        { code: 'MISSING_KEY', status: 422, exit },
      );
    },
    SLOW_MS,
  );

  test(
    'a cycle and an unknown type are named by file, line and path; nothing of the set is applied',
    async () => {
      for (const command of ['validate', 'plan', 'apply']) {
        expect(await mesh.fmesh(command, 'bad/cycle.yaml')).toMatchObject({
          code: EXIT.invalid,
          err: expect.stringMatching(
            /^DEFINITION_CYCLE: [\s\S]*bad\/cycle\.yaml:4:\d+ featureGroups\[0\]\.inputs: .*a → .*b → .*a\n {2}Next: /,
          ),
        });
        expect(await mesh.fmesh(command, 'bad/type.yaml')).toMatchObject({
          code: EXIT.invalid,
          err: expect.stringMatching(
            /^INVALID_DEFINITION: [\s\S]*bad\/type\.yaml:5:\d+ featureGroups\[1\]\.features\[0\]\.type: .*float46[\s\S]*Next: /,
          ),
        });
      }
      const groups = json((await mesh.fmesh('list', '--json')).out) as {
        groups: readonly { name: string }[];
      };
      expect(groups.groups.map(({ name }) => name).toSorted()).toEqual(['delays', 'travellers']);
    },
    SLOW_MS,
  );
});

describe('four eyes', () => {
  const readEurope = () =>
    mesh.post(`${mesh.url(EUROPE, 'gatewayUrl')}/v1/online/read`, {
      features: ['delays:mean_delay'],
      keys: { airport: 'once' },
    });
  const approve = (officer: string, key?: string) =>
    mesh.fmesh('policy', 'approve', 'delays-travel', ...signedBy(officer, key));
  const rowsIn = async (region: string): Promise<unknown> => {
    const { out } = await mesh.fmesh('status', '--region', region, '--json');
    const { regions } = json(out) as {
      regions: readonly { sync: { groups: readonly { group: string; rows: number | null }[] } }[];
    };
    return regions[0]?.sync.groups.find(({ group }) => group === 'us-east-1/delays')?.rows;
  };

  test(
    'without enough approvals a loosening stays pending and nothing ships',
    async () => {
      expect(
        await mesh.fmesh('policy', 'propose', 'policies/delays.yaml', ...signedBy('owner')),
      ).toMatchObject({
        code: EXIT.done,
        out: expect.stringMatching(
          /loosening, proposed, 0 of 2 approvals[\s\S]*Next: fmesh policy approve delays-travel/,
        ),
      });
      expect(await approve('owner')).toMatchObject({
        code: EXIT.refused,
        err: expect.stringMatching(/NOT_AN_OFFICER[\s\S]*Next: /),
      });
      expect(
        (await mesh.fmesh('policy', 'officer', '--id', 'mallory', '--roles', 'compliance', '--out', 'people'))
          .code,
      ).toBe(EXIT.done);
      expect(await approve('mallory', 'people/mallory.pem')).toMatchObject({
        code: EXIT.refused,
        err: expect.stringMatching(/NOT_AN_OFFICER: mallory[\s\S]*Next: /),
      });
      expect(await approve('officer-1', 'people/mallory.pem')).toMatchObject({
        code: EXIT.refused,
        err: expect.stringMatching(/INVALID_SIGNATURE[\s\S]*Next: /),
      });
      for (const _ of [1, 2])
        expect(await approve('officer-1')).toMatchObject({
          code: EXIT.done,
          out: expect.stringContaining('proposed, 1 of 2 approvals'),
        });
      expect(json((await mesh.fmesh('policy', 'list', '--json')).out)).toMatchObject({
        policies: [{ state: 'proposed', approvals: 1, record: { epoch: 0 } }],
      });
      expect(await readEurope()).toMatchObject({
        status: 421,
        body: { code: 'RESIDENCY_REDIRECT', candidates: [{ region: EAST }] },
      });
      expect(await rowsIn(EUROPE)).toBeNull();
    },
    SLOW_MS,
  );

  test(
    'a record that claims to be in force without approvals is refused',
    async () => {
      const { policies } = json((await mesh.fmesh('policy', 'list', '--json')).out) as {
        policies: readonly { record: { signatures: readonly object[] } }[];
      };
      const record = {
        ...policies[0]?.record,
        signatures: policies[0]?.record.signatures.slice(0, 1),
        epoch: 9,
      };
      const propose = (region: string) =>
        mesh.post(`${mesh.url(region)}/v1/admin/policies/propose`, { record });
      expect(await propose(EAST)).toMatchObject({ status: 409, body: { code: 'POLICY_NOT_APPROVED' } });
      expect(await propose(EUROPE)).toMatchObject({ status: 421, body: { code: 'NOT_HOME' } });
    },
    SLOW_MS,
  );

  test(
    'with two it is in force and the rows ship',
    async () => {
      expect(await approve('officer-2')).toMatchObject({
        code: EXIT.done,
        out: expect.stringContaining('in-force, 2 of 2 approvals'),
      });
      await expect
        .poll(async () => (await readEurope()).body, { timeout: patienceMs(30_000) })
        .toMatchObject({
          results: [
            {
              region: EUROPE,
              columns: [[1]],
              statuses: ['PRESENT'],
              source: { region: EUROPE, replica: true },
            },
          ],
        });
      expect(await mesh.fmesh('policy', 'explain', 'delays')).toMatchObject({
        code: EXIT.done,
        out: expect.stringContaining('us-east-1/delays-travel v1'),
      });
    },
    SLOW_MS,
  );

  test(
    'a position that a write returned is waited for by a read in another region',
    async () => {
      const write = ['write', 'delays', '--key', 'airport=travels', '--feature', 'mean_delay=5'];
      const { position } = json((await mesh.fmesh(...write, '--json')).out) as { position: string };
      const read = ['read', '--features', 'delays:mean_delay', '--key', 'airport=travels'];
      const answer = await mesh.fmesh(...read, '--after', position, '--region', EUROPE, '--json');
      expect(json(answer.out)).toMatchObject({ results: [{ columns: [[5]], statuses: ['PRESENT'] }] });
      const wrong = await mesh.fmesh(...read, '--after', 'nonsense', '--region', EUROPE);
      expect(wrong).toMatchObject({ code: EXIT.invalid, err: expect.stringContaining('INVALID_POSITION') });
    },
    SLOW_MS,
  );
});

describe('rows that reside elsewhere', () => {
  const write = (residence: string, region: string) =>
    mesh.fmesh(
      'write',
      'travellers',
      '--key',
      'traveller=t1',
      '--key',
      `residence=${residence}`,
      '--feature',
      'tier=gold',
      '--region',
      region,
    );

  test(
    'are refused with the region that takes them; there they are taken and read, and not through another jurisdiction',
    async () => {
      await mesh.fmesh('policy', 'propose', 'policies/travellers.yaml', ...signedBy('owner'));
      for (const officer of ['officer-1', 'officer-2'])
        expect((await mesh.fmesh('policy', 'approve', 'travellers-stay', ...signedBy(officer))).code).toBe(
          EXIT.done,
        );
      expect(await write(WEST, EAST)).toMatchObject({
        code: EXIT.invalid,
        out: expect.stringMatching(
          new RegExp(`WRONG_REGION[\\s\\S]*${mesh.url(WEST)}[\\s\\S]*Next \\(WRONG_REGION\\): `),
        ),
      });
      expect(await write('nowhere', EAST)).toMatchObject({
        code: EXIT.invalid,
        out: expect.stringContaining('UNKNOWN_REGION'),
      });
      await expect
        .poll(async () => (await write(WEST, WEST)).code, { timeout: patienceMs(30_000) })
        .toBe(EXIT.done);
      const mixed = await mesh.post(rowsUrl('travellers'), {
        rows: [WEST, EAST].map(residence => ({
          key: { traveller: 't2', residence },
          eventTime: EVENT,
          features: { tier: 'new' },
        })),
      });
      expect(mixed).toMatchObject({
        status: 207,
        body: {
          accepted: 1,
          rejected: [{ index: 0, code: 'WRONG_REGION', region: WEST, publicUrl: mesh.url(WEST) }],
        },
      });
      const read = [
        'read',
        '--features',
        'travellers:tier',
        '--key',
        'traveller=t1,t2',
        '--key',
        `residence=${WEST},${EAST}`,
      ];
      expect(json((await mesh.fmesh(...read, '--json')).out)).toMatchObject({
        results: expect.arrayContaining([
          expect.objectContaining({ region: WEST, columns: [['gold']] }),
          expect.objectContaining({ region: EAST, columns: [['new']] }),
        ]),
      });
      expect(await mesh.fmesh(...read, '--region', EUROPE)).toMatchObject({
        code: EXIT.refused,
        err: expect.stringMatching(/RESIDENCY_REDIRECT[\s\S]*publicGatewayUrl[\s\S]*Next: /),
      });
    },
    SLOW_MS,
  );
});

test(
  'a used port is named with its use and the way to move, before anything starts',
  async () => {
    const base = await freePortBase(40);
    const holder = createServer();
    await new Promise<void>(resolve => holder.listen(base + 11, '127.0.0.1', resolve));
    const { code, said } = await refusedStart([
      '--no-demo',
      '--data-dir',
      join(folder, 'second'),
      '--port-base',
      String(base),
    ]);
    holder.close();
    expect(code).toBe(EXIT.invalid);
    expect(said).toMatch(
      new RegExp(
        `PORT_IN_USE: .*${base + 11} \\(gateway\\), held by pid ${process.pid}.*npm start -- --port-base \\d+`,
      ),
    );
    expect(processesNaming(join(folder, 'second'))).toEqual([]);
  },
  SLOW_MS,
);
