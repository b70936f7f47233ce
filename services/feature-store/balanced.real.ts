import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { Balancer } from '@featuremesh/testkit/region/balancer';
import { CountingClient } from '@featuremesh/testkit/region/counting-client';
import { type ServiceProcess, ServiceProcesses } from '@featuremesh/testkit/region/service-processes';
import { group } from '@featuremesh/testkit/region/test-definitions';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

const KILLS = 3;
const DRAINS = 2;
const ACKNOWLEDGED_BETWEEN = 40;
const PATIENCE = { timeout: 30_000, interval: 20 };
let broker: FeedBroker;
let region: ServiceProcesses;
let balancer: Balancer;
let client: CountingClient;
const services: ServiceProcess[] = [];

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer());
  region = await ServiceProcesses.write(broker);
  services.push(region.start(0), region.start(1));
  for (const service of services) await region.until(service, '/health/ready', 200);
  const [first] = services;
  if (first !== undefined) await region.define(first, [group('delays')]);
  balancer = await Balancer.before([region.urlOf(0), region.urlOf(1)]);
  client = new CountingClient(balancer.url, 'delays');
  await vi.waitFor(async () => expect(await client.canWrite()).toBe(true), PATIENCE);
  client.start({ writers: 4, readers: 3 });
}, 60_000);

afterAll(async () => {
  await client?.stop();
  balancer?.close();
  await region?.remove();
  await broker?.stop();
});

/** Ends the process of a slot while the client goes on, then starts it again. */
async function endAndRestart(slot: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
  await client.acknowledges(ACKNOWLEDGED_BETWEEN);
  const service = services[slot];
  if (service === undefined) throw new Error(`no service ${slot}`);
  const code = await region.end(service, signal);
  // The address goes on answering while the process is away.
  await client.acknowledges(ACKNOWLEDGED_BETWEEN);
  const again = region.start(slot);
  services[slot] = again;
  await region.until(again, '/health/ready', 200);
  return code;
}

test('S5: two service processes behind one address, one killed with -9 again and again: no wrong answer, nothing acknowledged is lost', async () => {
  for (let at = 0; at < KILLS; at += 1) await endAndRestart(at % 2, 'SIGKILL');
  await client.acknowledges(ACKNOWLEDGED_BETWEEN);
  expect(client.wrong).toEqual([]);
  expect(await client.lost()).toEqual([]);
  expect(client.acknowledged).toBeGreaterThan(2 * KILLS * ACKNOWLEDGED_BETWEEN);
}, 120_000);

test('one that is drained costs nothing: no request fails, no answer is wrong', async () => {
  await client.settled();
  client.forgetFailures();
  const codes = [];
  for (let at = 0; at < DRAINS; at += 1) codes.push(await endAndRestart(at % 2, 'SIGTERM'));
  await client.acknowledges(ACKNOWLEDGED_BETWEEN);
  expect(codes).toEqual(Array.from({ length: DRAINS }, () => 0));
  expect(client.failures).toEqual([]);
  expect(client.wrong).toEqual([]);
  expect(await client.lost()).toEqual([]);
}, 120_000);
