import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { systemClock } from '@featuremesh/runtime/clock';
import { systemRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import { afterEach, expect, test } from 'vitest';
import { EXIT } from '../exit-code.ts';
import { buildProgram } from '../program.ts';

/** What a region answers: a status and a body for each path. */
type Answers = Readonly<Record<string, readonly [status: number, body: object]>>;

const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise(resolve => server.close(resolve));
});

/** A region that answers so, and what it was asked. */
async function region(answers: Answers) {
  const asked: { path: string; group?: string }[] = [];
  const server = createServer(async (request, response) => {
    const [path = '', body] = [request.url, await text(request)];
    asked.push({ path, ...(body === '' ? {} : { group: JSON.parse(body).group }) });
    const [status, answer] = answers[path] ?? [404, { code: 'NOT_FOUND' }];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  return { asked, url: `http://127.0.0.1:${address.port}` };
}

async function fmesh(...args: string[]): Promise<{ code: number; err: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  stdout.resume();
  let code: number = EXIT.unexpected;
  const world = { stdin: new PassThrough(), stdout, stderr, env: {}, cwd: '.' };
  const tools = { clock: systemClock, timer: systemTimer, random: systemRandom };
  await buildProgram({ ...world, ...tools, exit: is => (code = is) }).parseAsync(['node', 'fmesh', ...args]);
  stderr.end();
  return { code, err: await text(stderr) };
}

const done = {
  ...{ region: 'eu-west-1', group: 'eu-west-1/delays', outcome: 'done' },
  ...{ versions: [], consequences: [], revision: 5 },
};
const path = (what: string): string => `/v1/admin/${what}`;

test.each([
  ['promote', 'promotions', 'delays@v2', 'eu-west-1/delays@v2'],
  ['retire', 'retirements', 'delays', 'eu-west-1/delays'],
  ['retire', 'retirements', 'eu-west-1/delays@v1', 'eu-west-1/delays@v1'],
])(
  '%s goes on to the region that accepts definitions, by the full name of what the home means: %s %s',
  async (command, what, given, full) => {
    const centre = await region({ [path(what)]: [200, done] });
    const refusal = { code: 'NOT_HOME', home: 'us-east-1', publicUrl: centre.url, registryEpoch: 3 };
    const home = await region({
      [path(what)]: [421, refusal],
      [`/v1/groups/${given}`]: [200, { home: 'eu-west-1', name: 'delays' }],
    });
    expect(await fmesh(command, given, '--region', home.url)).toEqual({ code: EXIT.done, err: '' });
    expect(home.asked[0]).toEqual({ path: path(what), group: given });
    expect(centre.asked).toEqual([{ path: path(what), group: full }]);
  },
);

test('a home that has the say itself is told, and nobody else is asked; a second refusal is final', async () => {
  const other = await region({});
  const wrong = await region({
    [path('promotions')]: [421, { code: 'NOT_HOME', detail: 'at home elsewhere', publicUrl: other.url }],
  });
  const refused = await fmesh('promote', 'delays@v2', '--region', wrong.url);
  expect([refused.code, refused.err]).toEqual([EXIT.invalid, expect.stringContaining('NOT_HOME')]);
  expect(other.asked).toEqual([]);
  const refusal = { code: 'NOT_HOME', publicUrl: wrong.url, registryEpoch: 3 };
  const home = await region({ [path('promotions')]: [421, refusal] });
  expect((await fmesh('promote', 'a/delays@v2', '--region', home.url)).err).toContain('at home elsewhere');
  expect([home.asked.length, wrong.asked.length, other.asked.length]).toEqual([1, 2, 0]);
});
