import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { regionId } from '@featuremesh/domain/region-id';
import { systemClock } from '@featuremesh/runtime/clock';
import { Deadlines } from '@featuremesh/runtime/deadlines';
import { systemTimer } from '@featuremesh/runtime/timer';
import { afterEach, expect, test } from 'vitest';
import { RegionEndpoint } from './region-endpoint.ts';

const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

type Answer = { status?: number; text?: string; delayMs?: number };

/** A service process that answers as told and counts its calls. */
class Service {
  answer: Answer = {};
  calls = 0;
  #server: Server | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<this> {
    const server = createServer((_, response) => {
      this.calls += 1;
      const { status = 200, text = '{"right":true}', delayMs = 0 } = this.answer;
      setTimeout(() => response.writeHead(status).end(text), delayMs);
    }).listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address === 'object' && address !== null) this.#port = address.port;
    this.#server = server;
    return this;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise(resolve => this.#server?.close(resolve));
  }
}

async function slots() {
  const services = [await new Service().start(), await new Service().start()] as const;
  const endpoint = new RegionEndpoint(
    regionId('us-east-1'),
    services.map(service => service.url),
    { clock: systemClock, deadlines: new Deadlines({ clock: systemClock, timer: systemTimer }) },
  );
  closing.push(() => endpoint.close(), ...services.map(service => () => service.stop()));
  const post = (timeoutMs = 1_000) => endpoint.post({ body: '{}', headers: {}, timeoutMs });
  return { services, endpoint, post };
}

const RIGHT = { ok: true, value: { right: true } };

test('calls go to all service processes of a region in turn', async () => {
  const { services, endpoint, post } = await slots();
  for (let i = 0; i < 10; i += 1) expect(await post()).toEqual(RIGHT);
  expect(services.map(({ calls }) => calls)).toEqual([5, 5]);
  expect(endpoint.health()).toBe('up');
});

test('no call is lost when one service process ends, and it is used again when it is back', async () => {
  const { services, endpoint, post } = await slots();
  const [first, second] = services;
  await post();
  await first.stop();
  for (let i = 0; i < 10; i += 1) expect(await post()).toEqual(RIGHT);
  expect(endpoint.health()).toBe('up');
  await first.start();
  const before = first.calls;
  await expect
    .poll(async () => {
      expect(await post()).toEqual(RIGHT);
      return first.calls;
    })
    .toBeGreaterThan(before);
  await second.stop();
  await first.stop();
  for (let i = 0; i < 10; i += 1)
    expect(await post()).toMatchObject({ ok: false, problem: { code: 'REGION_UNAVAILABLE' } });
  expect(endpoint.health()).toBe('down');
});

test.each([
  ['no JSON', { text: 'oops' }],
  ['a server error', { status: 503 }],
])('where one service process answers %s, the other one is asked', async (_, answer) => {
  const { services, post } = await slots();
  services[0].answer = answer;
  for (let i = 0; i < 10; i += 1) expect(await post()).toEqual(RIGHT);
});

test('a late answer ends the call at its deadline, and no problem names an address', async () => {
  const { services, post } = await slots();
  for (const service of services) service.answer = { delayMs: 2_000 };
  const startedMs = performance.now();
  const answer = await post(100);
  expect(performance.now() - startedMs).toBeLessThan(1_000);
  expect(answer).toMatchObject({ ok: false, problem: { code: 'REGION_UNAVAILABLE' } });
  expect(JSON.stringify(answer)).not.toContain('127.0.0.1');
});
