import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { systemClock } from '@featuremesh/runtime/clock';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
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

function leaves(command: Command): readonly Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

test('every command has a description, and those that do something show an example or need none', () => {
  const world = {
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
  const names = leaves(buildProgram(world)).map(command => {
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
    ['promote', 'a@v2'],
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
