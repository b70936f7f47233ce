import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@featuremesh/infra/ports/free-port';
import { ensureInternalToken } from '@featuremesh/runtime/internal-token';
import { systemRandom } from '@featuremesh/runtime/random';
import { writePrivateKey } from '@featuremesh/runtime/signing';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { groupOf, policyOf, regionOf, stateOf } from './testing/mesh-fixture.ts';
import { StubRegion } from './testing/stub-region.ts';

/**
 * The whole program as a process of its own, with the vendor's settings switched on around it, and every connection and name
 * look-up of the process written down by a preloaded module.
 */
const own = new StubRegion('us-east-1');
const peer = new StubRegion('eu-west-1');
const folder = mkdtempSync(join(tmpdir(), 'fm gateway process-'));
const recorded = join(folder, 'connections.txt');
let internal: Server;
let child: ChildProcess | undefined;
let gatewayPort = 0;
let servicePort = 0;
let polls = 0;
const output: string[] = [];

const RECORDER = `
  const { appendFileSync } = require('node:fs');
  const write = text => appendFileSync(process.env.RECORD_TO, text + '\\n');
  const net = require('node:net');
  const connect = net.Socket.prototype.connect;
  net.Socket.prototype.connect = function (...args) {
    const [first] = Array.isArray(args[0]) ? args[0] : args;
    write('connect ' + (typeof first === 'object' ? (first.host ?? first.path) + ':' + first.port : String(first)));
    return connect.apply(this, args);
  };
  const dns = require('node:dns');
  for (const [name, holder] of [['lookup', dns], ['resolve', dns], ['resolve4', dns], ['lookup', dns.promises], ['resolve', dns.promises]]) {
    const original = holder[name];
    holder[name] = function (host, ...rest) {
      if (net.isIP(host) === 0) write('dns ' + host);
      return original.call(this, host, ...rest);
    };
  }
  const dgram = require('node:dgram');
  const send = dgram.Socket.prototype.send;
  dgram.Socket.prototype.send = function (...args) { write('datagram'); return send.apply(this, args); };
`;

beforeAll(async () => {
  const keyOf = (region: string) => (region === own.id ? own.key.publicKey : undefined);
  await peer.start(keyOf);
  await own.start(keyOf);
  const state = stateOf('us-east-1', {
    regions: [
      regionOf('us-east-1', 'US', own.url, own.key.publicKey),
      regionOf('eu-west-1', 'EU', peer.url, peer.key.publicKey),
    ],
    groups: [groupOf({ name: 'delays', home: 'eu-west-1' })],
    policies: [
      policyOf({ group: 'eu-west-1/delays', regions: ['eu-west-1'], egress: 'proxy', readers: ['EU', 'US'] }),
    ],
  });
  const token = ensureInternalToken(join(folder, 'keys', 'internal.token'), systemRandom);
  writePrivateKey(join(folder, 'keys', 'signing.pem'), own.key.privateKeyPem);
  mkdirSync(join(folder, 'data'), { recursive: true });
  internal = createServer((incoming, reply) => {
    if (incoming.headers.authorization !== `Bearer ${token}`) reply.writeHead(401).end();
    else if (!incoming.url?.startsWith('/internal/v1/mesh-state')) reply.writeHead(404).end();
    else {
      polls += 1;
      if (incoming.url.includes('after=0&'))
        reply.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(state));
    }
  });
  await new Promise<void>(resolve => internal.listen(0, '127.0.0.1', resolve));
  servicePort = (internal.address() as AddressInfo).port;
  gatewayPort = await freePort();
  const yaml = `id: us-east-1
jurisdiction: US
cloud: test
listen: {http: "127.0.0.1:${servicePort}", gateway: "127.0.0.1:${gatewayPort}", sync: "127.0.0.1:1"}
publicUrl: http://127.0.0.1:${servicePort}
publicGatewayUrl: http://127.0.0.1:${gatewayPort}
nats: {url: "nats://127.0.0.1:1"}
`;
  writeFileSync(join(folder, 'region.yaml'), yaml);
  writeFileSync(join(folder, 'recorder.cjs'), RECORDER);
  await startGateway();
});

async function startGateway(): Promise<void> {
  child = fork(
    fileURLToPath(new URL('./main.ts', import.meta.url)),
    ['--config', join(folder, 'region.yaml')],
    {
      execArgv: ['--require', join(folder, 'recorder.cjs')],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: {
        ...process.env,
        RECORD_TO: recorded,
        APOLLO_KEY: 'service:somebody:secret-of-the-vendor',
        APOLLO_GRAPH_REF: 'somebody@current',
        APOLLO_SCHEMA_REPORTING: 'true',
        APOLLO_TELEMETRY_DISABLED: 'false',
      },
    },
  );
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', data => output.push(String(data)));
  await vi.waitFor(
    async () => {
      const ready = await request(`http://127.0.0.1:${gatewayPort}/health/ready`);
      expect(ready.statusCode).toBe(200);
    },
    { timeout: 20_000, interval: 50 },
  );
}

/** Lets the process end as it does when its supervisor goes; the exit code. */
async function stopGateway(): Promise<number | null> {
  const ended = new Promise<number | null>(resolve => child?.once('exit', code => resolve(code)));
  child?.disconnect();
  return ended;
}

async function online(): Promise<unknown> {
  const answer = await request(`http://127.0.0.1:${gatewayPort}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      query: '{ online(features: ["delays:a"], keys: {key: "k"}) { results { region columns } } }',
    }),
  });
  return answer.body.json();
}

const ANSWER = { data: { online: { results: [{ region: 'eu-west-1', columns: [['eu-west-1 a k']] }] } } };

afterAll(async () => {
  if (child?.exitCode === null) child.kill('SIGKILL');
  internal.closeAllConnections();
  internal.close();
  await own.stop();
  await peer.stop();
});

test('the process connects to its own region service and to listed regions, to nobody else, and looks up no name', async () => {
  expect(await online()).toEqual(ANSWER);
  expect(polls).toBeGreaterThan(0);
  expect(peer.faults).toEqual([]);
  // Two probe intervals, in which a reporter or a metadata probe would have shown itself.
  await expect
    .poll(() => readFileSync(recorded, 'utf8').split('\n').length, { timeout: 10_000 })
    .toBeGreaterThan(2);
  await new Promise(resolve => setTimeout(resolve, 4_500));
  const permitted = [`connect 127.0.0.1:${servicePort}`, `connect 127.0.0.1:${peer.port}`];
  const lines = [...new Set(readFileSync(recorded, 'utf8').trim().split('\n'))];
  expect(lines.filter(line => !permitted.includes(line))).toEqual([]);
  expect(lines).toEqual(expect.arrayContaining(permitted));
});

test('it ends in order when its supervisor goes, and starts from its saved state while the region service is away', async () => {
  expect(await stopGateway()).toBe(0);
  internal.closeAllConnections();
  await new Promise(resolve => internal.close(resolve));
  await startGateway();
  expect(await online()).toEqual(ANSWER);
  expect(await stopGateway()).toBe(0);
  expect(output.join('')).not.toContain('secret-of-the-vendor');
});
