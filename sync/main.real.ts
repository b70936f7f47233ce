import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLinkKey } from '@featuremesh/cli/region/link-key';
import type { ListenAddress, RegionConfig } from '@featuremesh/contracts/region-config';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { FEED_STREAM } from '@featuremesh/domain/subjects';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { LinkedBrokers } from '@featuremesh/infra/nats/testing/linked-brokers';
import { freePort } from '@featuremesh/infra/ports/free-port';
import { ensureInternalToken } from '@featuremesh/runtime/internal-token';
import { systemRandom } from '@featuremesh/runtime/random';
import { EAST, linkState, WEST } from '@featuremesh/testkit/links/link-world';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterEach, expect, test } from 'vitest';

const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

/** The internal API as far as the agent uses it, over HTTP, with a state that the test sets. */
class StubService {
  state: MeshState = linkState(EAST, 1, ['shared']);
  readonly enforced: { revision: number; hash: string }[] = [];
  linkReports = 0;
  unauthorised = 0;
  readonly #token: string;
  #server: Server | undefined;

  constructor(token: string) {
    this.#token = token;
  }

  async start(port: number): Promise<void> {
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      if (request.headers.authorization !== `Bearer ${this.#token}`) {
        this.unauthorised++;
        response.writeHead(401).end();
        return;
      }
      const path = request.url?.split('?')[0] ?? '';
      const body = (): unknown => JSON.parse(Buffer.concat(chunks).toString('utf8'));
      if (path.endsWith('/enforced')) this.enforced.push(body() as { revision: number; hash: string });
      if (path.endsWith('/links')) this.linkReports++;
      if (path.endsWith('/mesh-state')) {
        await new Promise(resolve => setTimeout(resolve, 50));
        response.end(JSON.stringify(this.state));
      } else if (path.endsWith('/own-entries')) response.end('{"entries":[]}');
      else response.writeHead(204).end();
    });
    this.#server = server;
    await new Promise<void>(resolve => server.listen(port, '127.0.0.1', () => resolve()));
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise<void>(resolve =>
      this.#server === undefined ? resolve() : this.#server.close(() => resolve()),
    );
    this.#server = undefined;
  }
}

const text = ({ host, port }: ListenAddress): string => `${host}:${port}`;

/** The configuration as a file: YAML holds JSON. */
function regionFile(config: RegionConfig, ports: { http: number; sync: number }): string {
  const { embedded } = config.nats;
  if (embedded === undefined) throw new Error('no broker');
  return JSON.stringify({
    ...config,
    listen: { http: ports.http, gateway: 1, sync: ports.sync },
    nats: { ...config.nats, embedded: { client: text(embedded.client), leaf: text(embedded.leaf) } },
  });
}

async function ready(port: number): Promise<number | undefined> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/health/ready`)).status;
  } catch {
    return undefined;
  }
}

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 40_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

function runAgent(config: string, onLog: (text: string) => void): ChildProcess {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const agent = spawn(process.execPath, [main, '--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  agent.stderr.on('data', (bytes: Buffer) => onLog(bytes.toString('utf8')));
  return agent;
}

function exited(child: ChildProcess): Promise<number | null> {
  return new Promise(resolve => child.once('exit', code => resolve(code)));
}

test('the agent starts before its service, enforces what the service knows, outlives the broker, begins anew on a lost log, and stops cleanly', async () => {
  const brokers = await LinkedBrokers.start({
    binary: await locateNatsServer(),
    regions: [EAST, WEST],
    linkKeys: createLinkKey,
  });
  ends.push(() => brokers.stop());
  const folder = await mkdtemp(join(tmpdir(), 'fm agent '));
  ends.push(() => rm(folder, { recursive: true, force: true }));
  const internal = join(folder, 'internal.token');
  const service = new StubService(ensureInternalToken(internal, systemRandom));
  ends.push(() => service.stop());
  const ports = { http: await freePort(), sync: await freePort() };
  const config = brokers.config(EAST);
  const path = join(folder, 'region.yaml');
  await writeFile(path, regionFile({ ...config, keys: { ...config.keys, internal } }, ports));

  let log = '';
  const startAgent = (): ChildProcess => {
    const started = runAgent(path, text => {
      log += text;
    });
    ends.push(async () => {
      started.kill('SIGKILL');
    });
    return started;
  };
  let agent = startAgent();

  await until('the agent listens', async () => (await ready(ports.sync)) === 503);
  expect((await fetch(`http://127.0.0.1:${ports.sync}/health/live`)).status).toBe(200);
  await service.start(ports.http);
  await until('the policy is in force', async () => (await ready(ports.sync)) === 200);
  expect(service.enforced).toMatchObject([{ revision: 1 }]);
  expect(service.unauthorised).toBe(0);

  service.state = linkState(EAST, 2, []);
  await until('the tightening is in force', () => service.enforced.length === 2);
  expect(service.enforced[1]?.hash).not.toBe(service.enforced[0]?.hash);

  await brokers.kill(EAST);
  await until('the agent says that it is not ready', async () => (await ready(ports.sync)) === 503);
  await service.stop();
  await brokers.resume(EAST);
  await until('the agent is ready again', async () => (await ready(ports.sync)) === 200);
  await service.start(ports.http);
  service.state = linkState(EAST, 3, ['shared']);
  await until('the loosening is in force', () => service.enforced.length === 3);
  expect(service.enforced[2]?.hash).toBe(service.enforced[0]?.hash);
  const reports = service.linkReports;
  await until('links are reported', () => service.linkReports > reports);

  const status = (await (await fetch(`http://127.0.0.1:${ports.sync}/status`)).json()) as object;
  expect(status).toMatchObject({ region: EAST, policy: { kind: 'enforced', revision: 3 } });
  expect(await (await fetch(`http://127.0.0.1:${ports.sync}/metrics`)).text()).toContain(
    'featuremesh_link_connected{',
  );

  // All that it knows of the log counts the one that is gone: it ends, and makes the log anew when its supervisor starts it.
  const gone = exited(agent);
  const broker = await connect({
    servers: brokers.url(EAST),
    user: 'sync',
    pass: brokers.password(EAST, 'sync'),
  });
  ends.push(() => broker.close());
  const streams = (await jetstreamManager(broker)).streams;
  const { created: firstMade } = await streams.info(FEED_STREAM);
  await streams.delete(FEED_STREAM);
  expect(await gone, log.slice(-2_000)).toBe(1);
  agent = startAgent();
  await until('the agent is ready on a new log', async () => (await ready(ports.sync)) === 200);
  expect((await streams.info(FEED_STREAM)).created).not.toBe(firstMade);

  const end = exited(agent);
  agent.kill('SIGTERM');
  expect(await end, log.slice(-2_000)).toBe(0);
});

test('a configuration that cannot be read ends the agent with a reason', async () => {
  let log = '';
  const agent = runAgent('/nowhere/region.yaml', text => {
    log += text;
  });
  expect(await exited(agent)).toBe(1);
  expect(log).toContain('INVALID_CONFIG');
});
