import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock } from '@featuremesh/runtime/clock';
import { seededRandom } from '@featuremesh/runtime/random';
import { systemTimer } from '@featuremesh/runtime/timer';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { freePort } from '../ports/free-port.ts';
import { MAX_CONNECTIONS_PER_PATH, MAX_WINDOW_BYTES, MIN_WINDOW_BYTES } from './limits.ts';
import type { PathConditions } from './wan-path.ts';
import { WanProxy, type WanProxyOptions } from './wan-proxy.ts';

const tools = { clock: systemClock, timer: systemTimer, random: seededRandom('wan') };
const DIRECT: PathConditions = { delayMs: 0, jitterMs: 0, bytesPerSecond: null };
const opened: { close(): void }[] = [];

afterEach(() => {
  for (const one of opened.splice(0).toReversed()) one.close();
});

/** A server whose connections are handed to `serve`; half-open, as brokers and HTTP servers are. */
async function target(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    socket.on('error', () => undefined);
    opened.push({ close: () => socket.destroy() });
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.push({ close: () => server.close() });
  return (server.address() as AddressInfo).port;
}

const echo = (socket: Socket): void => void socket.pipe(socket);

async function proxied(
  targetPort: number,
  conditions: Partial<PathConditions> = {},
  onBytes?: WanProxyOptions['onBytes'],
): Promise<{ proxy: WanProxy; port: number }> {
  const port = await freePort();
  const path = { from: 'a', to: 'b', service: 'link' as const };
  const [listen, to] = [port, targetPort].map(one => ({ host: '127.0.0.1', port: one }));
  if (listen === undefined || to === undefined) throw new TypeError('two addresses');
  const proxy = new WanProxy({
    paths: [{ ...path, listen, target: to, conditions: { ...DIRECT, ...conditions } }],
    tools,
    ...(onBytes === undefined ? {} : { onBytes }),
  });
  await proxy.start();
  opened.push({ close: () => proxy.stop() });
  return { proxy, port };
}

function client(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  socket.on('error', () => undefined);
  opened.push({ close: () => socket.destroy() });
  return socket;
}

async function exchanged(socket: Socket, text: string): Promise<number> {
  const startedMs = systemClock.monotonicMs();
  socket.write(text);
  for (let heard = ''; heard.length < text.length; ) heard += String((await once(socket, 'data'))[0]);
  return systemClock.monotonicMs() - startedMs;
}

async function failure(socket: Socket): Promise<string> {
  return await new Promise(resolve =>
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? '')),
  );
}

async function bytesOf(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('each direction takes the delay, the opening a round trip more, and it can be changed on an open connection', async () => {
  const { proxy, port } = await proxied(await target(echo), { delayMs: 40 });
  const socket = client(port);
  const first = await exchanged(socket, 'hello');
  expect(first).toBeGreaterThan(155);
  const second = await exchanged(socket, 'hello');
  expect(second).toBeGreaterThan(79);
  expect(second).toBeLessThan(140);
  proxy.set({}, { delayMs: 5 });
  expect(await exchanged(socket, 'hello')).toBeLessThan(60);
});

test('whatever chance adds, bytes keep their order both ways, and half-closes pass behind them', async () => {
  const { proxy, port } = await proxied(await target(echo));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 60_000 }), { minLength: 1, maxLength: 12 }),
      fc.record({
        delayMs: fc.nat(8),
        jitterMs: fc.nat(20),
        bytesPerSecond: fc.option(fc.integer({ min: 2_000_000, max: 50_000_000 })),
      }),
      async (chunks, conditions) => {
        proxy.set({}, conditions);
        const socket = client(port);
        const heard = bytesOf(socket);
        for (const chunk of chunks) {
          socket.write(chunk);
          await wait(1);
        }
        socket.end();
        expect((await heard).equals(Buffer.concat(chunks))).toBe(true);
      },
    ),
    { numRuns: 15 },
  );
  await expect.poll(() => proxy.states()[0]?.connections).toBe(0);
});

test('the cap holds for all connections of a path together, each way', async () => {
  const { port } = await proxied(await target(echo), { bytesPerSecond: 400_000, delayMs: 5 });
  const startedMs = systemClock.monotonicMs();
  const body = Buffer.alloc(120_000, 'x');
  const lengths = await Promise.all(
    [0, 1].map(async () => {
      const socket = client(port);
      const heard = bytesOf(socket);
      socket.end(body);
      return (await heard).length;
    }),
  );
  const tookMs = systemClock.monotonicMs() - startedMs;
  expect(lengths).toEqual([120_000, 120_000]);
  expect(tookMs).toBeGreaterThan(590);
  expect(tookMs).toBeLessThan(1_800);
});

test('a receiver that does not read stops the sender: what is held is bounded, and nothing is lost', async () => {
  let receiver: Socket | undefined;
  const body = Buffer.alloc(40 * 1024 * 1024, 'y');
  const { proxy, port } = await proxied(
    await target(socket => {
      receiver = socket.pause();
    }),
    { delayMs: 5 },
  );
  const socket = client(port);
  socket.end(body);
  const entered = (): number => proxy.states()[0]?.bytesThere ?? 0;
  let before = -1;
  await expect
    .poll(
      () => {
        const still = entered() === before && before > 0;
        before = entered();
        return still;
      },
      { interval: 150, timeout: 10_000 },
    )
    .toBe(true);
  // Beside the window, only the kernel's buffers of the receiving socket took something.
  expect(entered()).toBeLessThan(MAX_WINDOW_BYTES + MIN_WINDOW_BYTES + 12 * 1024 * 1024);
  if (receiver === undefined) throw new Error('nobody connected');
  expect((await bytesOf(receiver)).length).toBe(body.length);
});

test('cut resets what is open and refuses what is new; after heal the port answers again', async () => {
  const { proxy, port } = await proxied(await target(echo), { delayMs: 2 });
  const socket = client(port);
  await exchanged(socket, 'before');
  const reset = failure(socket);
  proxy.cut();
  expect(await reset).toBe('ECONNRESET');
  expect(await failure(client(port))).toBe('ECONNREFUSED');
  expect(proxy.states()[0]).toMatchObject({ fault: 'cut', connections: 0 });
  await proxy.heal();
  expect(await exchanged(client(port), 'after')).toBeGreaterThan(3);
});

test('in a black hole bytes and closings vanish and connections stay; heal resets those that lost something', async () => {
  const heardByTarget: string[] = [];
  const ends: string[] = [];
  const { proxy, port } = await proxied(
    await target(socket => {
      socket.on('data', data => heardByTarget.push(String(data)));
      socket.on('end', () => ends.push('end'));
      socket.on('close', () => ends.push('close'));
      echo(socket);
    }),
    { delayMs: 3 },
  );
  const [losing, closing, idle] = [client(port), client(port), client(port)];
  for (const socket of [losing, closing, idle]) await exchanged(socket, 'in');
  await proxy.blackHole();
  losing.write('lost');
  closing.end();
  const late = client(port);
  await once(late, 'connect');
  late.write('lost too');
  await wait(120);
  expect(heardByTarget.join('')).toBe('ininin');
  expect(ends).toEqual([]);
  expect([losing, late, idle].map(socket => socket.readyState)).toEqual(['open', 'open', 'open']);
  const resets = Promise.all([failure(losing), failure(late)]);
  await proxy.heal();
  expect(await resets).toEqual(['ECONNRESET', 'ECONNRESET']);
  await expect.poll(() => ends.filter(one => one === 'close').length).toBe(2);
  expect(await exchanged(idle, 'on')).toBeLessThan(500);
  expect(await exchanged(client(port), 'anew')).toBeLessThan(500);
});

test('a reset passes through, a target that does not listen is a reset, and both are gone from the count', async () => {
  const reset = Promise.withResolvers<string>();
  const targetPort = await target(socket => {
    socket.once('error', (error: NodeJS.ErrnoException) => reset.resolve(error.code ?? ''));
    echo(socket);
  });
  const { proxy, port } = await proxied(targetPort, { delayMs: 3 });
  const socket = client(port);
  await exchanged(socket, 'x');
  socket.resetAndDestroy();
  expect(await reset.promise).toBe('ECONNRESET');
  await expect.poll(() => proxy.states()[0]?.connections).toBe(0);
  const nowhere = await proxied(await freePort());
  expect(await failure(client(nowhere.port))).toBe('ECONNRESET');
  expect(nowhere.proxy.states()[0]).toMatchObject({ connections: 0, refusedConnections: 1 });
});

test('one connection more than the bound is turned away, the others go on', async () => {
  const { proxy, port } = await proxied(await target(echo));
  const sockets = Array.from({ length: MAX_CONNECTIONS_PER_PATH }, () => client(port));
  await Promise.all(sockets.map(socket => exchanged(socket, 'x')));
  expect(await failure(client(port))).toBe('ECONNRESET');
  expect(proxy.states()[0]).toMatchObject({ connections: MAX_CONNECTIONS_PER_PATH, refusedConnections: 1 });
  expect(await exchanged(sockets[0] ?? client(port), 'still')).toBeLessThan(500);
});

test('the tap sees every byte by path and direction, also those that vanish', async () => {
  const seen: string[] = [];
  const { proxy, port } = await proxied(await target(echo), {}, (path, direction, chunk) =>
    seen.push(`${path.from}>${path.to}/${path.service} ${direction} ${chunk}`),
  );
  const socket = client(port);
  await exchanged(socket, 'one');
  await proxy.blackHole();
  socket.write('two');
  await expect.poll(() => seen).toEqual(['a>b/link there one', 'a>b/link back one', 'a>b/link there two']);
  expect(proxy.states()[0]).toMatchObject({ bytesThere: 6, bytesBack: 3 });
});

test('a taken port is named and nothing is held; a selection that fits no path is refused', async () => {
  const taken = await target(echo);
  const free = await freePort();
  const path = { from: 'a', to: 'b', service: 'http' as const, conditions: DIRECT };
  const at = (port: number) => ({ host: '127.0.0.1', port });
  const proxy = new WanProxy({
    paths: [
      { ...path, listen: at(free), target: at(1) },
      { ...path, from: 'b', to: 'a', listen: at(taken), target: at(1) },
    ],
    tools,
  });
  await expect(proxy.start()).rejects.toThrow(`PORT_IN_USE: ${taken} (b to a, http)`);
  expect(await failure(client(free))).toBe('ECONNREFUSED');
  expect(() => proxy.cut({ regions: ['a', 'nowhere'] })).toThrow(/INVALID_REQUEST.*the regions are a, b/);
});
