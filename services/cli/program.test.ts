import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { systemClock } from '@featuremesh/runtime/clock';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import type { CliWorld } from './command-frame.ts';
import { EXIT } from './exit-code.ts';
import { buildProgram } from './program.ts';

async function fmesh(
  args: readonly string[],
  cwd = tmpdir(),
): Promise<{ code: number; out: string; err: string }> {
  const texts = { out: '', err: '' };
  const into = (name: 'out' | 'err'): Writable =>
    new Writable({
      write: (chunk, _encoding, done) => {
        texts[name] += String(chunk);
        done();
      },
    });
  let code = -1;
  const program = buildProgram({
    stdin: Readable.from([]),
    stdout: into('out'),
    stderr: into('err'),
    env: {},
    cwd,
    clock: systemClock,
    timer: systemTimer,
    random: systemRandom,
    exit: status => {
      code = status;
    },
  });
  await program.parseAsync(['node', 'fmesh', ...args]).catch((error: { exitCode?: number }) => {
    code = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  });
  return { code, ...texts };
}

function world(): CliWorld {
  return {
    stdin: Readable.from([]),
    stdout: new Writable(),
    stderr: new Writable(),
    env: {},
    cwd: '/',
    clock: systemClock,
    timer: systemTimer,
    random: systemRandom,
    exit: () => undefined,
  };
}

/** The words after `fmesh`. */
function pathOf(command: Command): readonly string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()];
}

function leaves(command: Command): readonly Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

test('every command has a description, and those that do something show an example or need none', () => {
  const names = leaves(buildProgram(world())).map(command => {
    expect(command.description()).not.toBe('');
    return command.name();
  });
  expect(names).toEqual(
    expect.arrayContaining([
      'serve',
      'invite',
      'add',
      'validate',
      'plan',
      'apply',
      'list',
      'describe',
      'write',
      'import',
      'read',
      'status',
      'propose',
      'approve',
      'explain',
      'watch',
      'cancel',
      'doctor',
      'promote',
      'erase',
      'pin',
      'remove',
    ]),
  );
});

test('parts that come later are refused with their own exit status, whatever arguments they get', async () => {
  for (const args of [
    ['adopt', 'a@v2'],
    ['region', 'remove', '--id', 'x'],
    ['policy', 'pin', 'g', '--to', 'EU'],
    ['erase'],
    ['dataset', 'create'],
  ]) {
    const { code, err } = await fmesh(args);
    expect({ args, code, err }).toMatchObject({
      code: EXIT.notYetSupported,
      err: expect.stringContaining('NOT_YET_SUPPORTED'),
    });
  }
});

test('every command explains itself with --help, and refuses an unknown option with its own exit status', async () => {
  const paths = leaves(buildProgram(world())).map(pathOf);
  expect(paths.length).toBeGreaterThan(30);
  for (const path of paths) {
    const help = await fmesh([...path, '--help']);
    expect({ path, ...help }).toMatchObject({ code: EXIT.done, err: '' });
    expect(help.out).toContain(`Usage: fmesh ${path.join(' ')}`);
    // One stays in the foreground and has no result.
    if (path[1] !== 'serve') expect(help.out).toContain('--json');
  }
  for (const path of [['read'], ['write', 'g'], ['policy', 'list'], ['doctor'], ['import', 'g', 'f']])
    expect(await fmesh([...path, '--colour', 'red'])).toMatchObject({
      code: EXIT.usage,
      err: expect.stringContaining('--colour'),
    });
});

test('--version of a command is not the version of the program', async () => {
  const key = ['--officer', 'ada', '--key', 'none.pem'];
  const approval = await fmesh(['policy', 'approve', 'a-policy', '--version', '2', ...key]);
  expect(approval).toMatchObject({ code: EXIT.invalid, out: '', err: expect.stringContaining('none.pem') });
  expect(await fmesh(['--version'])).toMatchObject({ code: EXIT.done });
});

test('files that are absent, folders, empty or of another kind are named, never answered with a stack trace', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fm cli files '));
  writeFileSync(join(folder, 'empty.yaml'), '');
  writeFileSync(join(folder, 'empty.json'), '');
  const region = ['--region', 'http://127.0.0.1:9'];
  const officer = ['--officer', 'ada', '--key', 'empty.json'];
  expect((await fmesh(['init', 'made'], folder)).code).toBe(EXIT.done);
  const init = ['region', 'init', '--id', 'x', '--dir', 'x'];
  expect((await fmesh([...init, '--jurisdiction', 'EU'], folder)).code).toBe(EXIT.done);
  expect(
    (await fmesh(['policy', 'officer', '--id', 'ada', '--roles', 'owner', '--out', 'o'], folder)).code,
  ).toBe(EXIT.done);
  const signed = ['--officer', 'ada', '--key', 'o/ada.pem'];
  const cases: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [['write', 'g', '--file', 'none.json', ...region], /none\.json: there is no such file/],
    [['write', 'g', '--file', '.', ...region], /a folder was given/],
    [['write', 'g', '--file', 'empty.json', ...region], /empty\.json is not valid JSON[\s\S]*Next:/],
    [['write', 'g', '--key', 'a=1', '--non-finite', 'zero', ...region], /--non-finite is null or refuse/],
    [['import', 'g', 'none.ndjson', ...region], /none\.ndjson cannot be read/],
    [['import', 'g', '.', ...region], /a folder was given/],
    [
      ['import', 'g', 'none.parquet', '--keys-from', 'a', '--event-time-from', 'b', ...region],
      /none\.parquet/,
    ],
    [['validate', 'none'], /none cannot be read/],
    [['validate', 'empty.yaml'], /define nothing/],
    [['apply', 'empty.yaml', ...region], /define nothing/],
    [['plan', 'made/policies', ...region], /policies\/airports\.yaml:\d/],
    [['policy', 'propose', 'none.yaml', ...signed, ...region], /none\.yaml cannot be read/],
    [['policy', 'propose', 'empty.yaml', ...signed, ...region], /no policy is written in empty\.yaml/],
    [['policy', 'propose', 'made/policies', ...officer, ...region], /--key: .*empty\.json/],
    [['policy', 'officer', '--id', 'ada', '--roles', 'owner', '--out', 'o'], /ada\.pem: it exists already/],
    [['region', 'serve', '--config', 'none.yaml'], /none\.yaml/],
    [['region', 'serve', '--config', '.'], /a folder was given/],
    [['region', 'serve', '--config', 'empty.yaml'], /INVALID_CONFIG[\s\S]*Next:/],
    [[...init, '--jurisdiction', ''], /jurisdiction/],
    [['region', 'invite', '--config', 'x/region.yaml', '--for', 'Y_', '--out', 'i'], /--for is no region id/],
    [['region', 'add', '--config', 'x/region.yaml', '--invitation', 'none.json'], /none\.json/],
    [
      ['region', 'add', '--config', 'x/region.yaml', '--invitation', 'empty.json'],
      /INVALID_INVITATION[\s\S]*Next:/,
    ],
    [['init', 'empty.yaml'], /a file is where a folder is needed|exists already/],
    [['list', '--region', 'none.yaml'], /none\.yaml cannot be read/],
  ];
  for (const [args, says] of cases) {
    const { code, out, err } = await fmesh(args, folder);
    expect({ args, code, out, err }).toMatchObject({
      code: EXIT.invalid,
      out: '',
      err: expect.stringMatching(says),
    });
    expect(err).not.toMatch(/\n\s+at |node:internal/);
    const json = await fmesh([...args, '--json'], folder);
    if (args[1] !== 'serve')
      expect(JSON.parse(json.err)).toMatchObject({ code: expect.stringMatching(/^[A-Z_]+$/) });
  }
});

test('a wrong command line names the next step', async () => {
  expect(await fmesh(['reed'])).toMatchObject({ code: EXIT.usage, err: expect.stringContaining('read') });
  expect(await fmesh(['region', 'init', '--id', 'x'])).toMatchObject({
    code: EXIT.usage,
    err: expect.stringContaining('--jurisdiction'),
  });
});

test('without a mesh, and where nobody listens, the error says what to do', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'fm-cli-'));
  expect(await fmesh(['read', '--features', 'a:b', '--key', 'k=1', '--data-dir', empty])).toMatchObject({
    code: EXIT.unreachable,
    err: expect.stringContaining('npm start'),
  });
  expect(await fmesh(['list', '--region', 'http://127.0.0.1:9'])).toMatchObject({
    code: EXIT.unreachable,
    err: expect.stringMatching(/REGION_UNAVAILABLE[\s\S]*Next:/),
  });
  const json = await fmesh(['list', '--region', 'http://127.0.0.1:9', '--json']);
  expect(JSON.parse(json.err)).toMatchObject({ code: 'REGION_UNAVAILABLE' });
});

test('init writes definitions that validate; a mistake is named with file, line and path', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fm cli '));
  expect((await fmesh(['init', '.', '--home', 'eu-west-1'], folder)).code).toBe(EXIT.done);
  expect(await fmesh(['validate', '--policies', 'policies'], folder)).toMatchObject({
    code: EXIT.done,
    out: expect.stringContaining('1 feature groups'),
  });
  expect((await fmesh(['init', '.'], folder)).code).toBe(EXIT.invalid);
  writeFileSync(
    join(folder, 'features', 'wrong.yaml'),
    'featureGroups:\n  - name: x\n    entity: nobody\n    homeRegion: eu-west-1\n    features:\n      - {name: f, type: float46}\n',
  );
  const { code, err } = await fmesh(['validate'], folder);
  expect({ code, err }).toMatchObject({
    code: EXIT.invalid,
    err: expect.stringMatching(/features\/wrong\.yaml:6\S* featureGroups\[0\]\.features\[0\]\.type/),
  });
});
