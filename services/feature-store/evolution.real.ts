import type { FeatureGroupDefinition } from '@featuremesh/domain/feature-group';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { Balancer } from '@featuremesh/testkit/region/balancer';
import { CountingClient } from '@featuremesh/testkit/region/counting-client';
import { type ServiceProcess, ServiceProcesses } from '@featuremesh/testkit/region/service-processes';
import { definitions, group } from '@featuremesh/testkit/region/test-definitions';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

const SLOW_MS = 120_000;
const PATIENCE = { timeout: 30_000, interval: 20 };
const ACKNOWLEDGED_BETWEEN = 30;
const EVENT_TIME = '2026-02-01T00:00:00Z';
let broker: FeedBroker;
let region: ServiceProcesses;
let balancer: Balancer;
let services: readonly [ServiceProcess, ServiceProcess];
const clients: CountingClient[] = [];

/** Two service processes behind one address; what the agent would report of later changes is told at once. */
beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer());
  region = await ServiceProcesses.write(broker);
  services = [region.start(0), region.start(1)];
  for (const service of services) await region.until(service, '/health/ready', 200);
  const enforced = { revision: Number.MAX_SAFE_INTEGER, hash: 'h' };
  expect((await region.call(services[0], 'POST', '/internal/v1/enforced', enforced, true)).status).toBe(204);
  await apply([group('delays')]);
  balancer = await Balancer.before([region.urlOf(0), region.urlOf(1)]);
  // It knows of no process before its first look.
  const probe = new CountingClient(balancer.url, 'delays');
  await vi.waitFor(async () => expect(await probe.canWrite()).toBe(true), PATIENCE);
}, SLOW_MS);

afterAll(async () => {
  for (const client of clients) await client.stop();
  balancer?.close();
  await region?.remove();
  await broker?.stop();
});

async function apply(groups: readonly FeatureGroupDefinition[]): Promise<void> {
  const set = { definitions: definitions(groups) };
  expect(await region.call(services[0], 'POST', '/v1/admin/definitions', set)).toMatchObject({
    status: 200,
    body: { perRegion: [{ outcome: 'applied' }] },
  });
}

/** Writers and readers of one reference, on both processes in turn, from the moment when both take its rows. */
async function startClient(reference: string): Promise<CountingClient> {
  const client = new CountingClient(balancer.url, reference);
  clients.push(client);
  for (const service of services)
    await vi.waitFor(
      async () => expect(await new CountingClient(service.url, reference).canWrite()).toBe(true),
      PATIENCE,
    );
  client.start({ writers: 2, readers: 2 });
  await client.acknowledges(ACKNOWLEDGED_BETWEEN);
  return client;
}

async function write(service: ServiceProcess, reference: string, airport: string, features: object) {
  const rows = [{ key: { airport }, eventTime: EVENT_TIME, features }];
  const { body } = await region.call(service, 'POST', `/v1/groups/${reference}/rows`, { rows });
  expect(body).toMatchObject({ accepted: 1, online: 'APPLIED' });
}

async function read(service: ServiceProcess, features: readonly string[], airport: string) {
  const asked = { features, keys: { airport: [airport] } };
  const { body } = await region.call(service, 'POST', '/v1/online/read', asked);
  const { version, columns, statuses } = body.results?.[0] ?? {};
  return { code: body.code, version, columns, statuses };
}

async function expectUnharmed(client: CountingClient): Promise<void> {
  await client.acknowledges(ACKNOWLEDGED_BETWEEN);
  expect(client.failures).toEqual([]);
  expect(client.wrong).toEqual([]);
  expect(await client.lost()).toEqual([]);
}

test(
  'revisions while rows are written and read: no request fails, older rows answer NULL_VALUE for what is new, nothing is lost',
  async () => {
    const [one, two] = services;
    await write(one, 'delays', 'OLD', { mean: 1.5 });
    const client = await startClient('delays');
    for (const [at, features] of [
      { p90: 'float64?', mean: 'float64?' },
      { p90: 'float64?', note: 'string?', mean: 'float64?' },
    ].entries()) {
      await apply([group('delays', { features })]);
      // The other process may know the revision or not: the row is read either way.
      await write(one, 'delays', `NEW${at}`, { mean: 2.5, p90: 9.5 });
      expect(await read(two, ['delays:mean'], `NEW${at}`)).toMatchObject({
        columns: [[2.5]],
        statuses: ['PRESENT'],
      });
      await client.acknowledges(ACKNOWLEDGED_BETWEEN);
    }
    for (const service of services) {
      const all = ['delays:mean', 'delays:p90', 'delays:note'];
      await vi.waitFor(async () => expect((await read(service, all, 'OLD')).code).toBeUndefined(), PATIENCE);
      expect(await read(service, all, 'OLD')).toMatchObject({
        columns: [[1.5], [null], [null]],
        statuses: ['PRESENT', 'NULL_VALUE', 'NULL_VALUE'],
      });
      expect(await read(service, all, 'NEW0')).toMatchObject({
        columns: [[2.5], [9.5], [null]],
        statuses: ['PRESENT', 'PRESENT', 'NULL_VALUE'],
      });
    }
    await expectUnharmed(client);
    await client.stop();
  },
  SLOW_MS,
);

test(
  'versions side by side: each keeps its rows under writers and readers, and a promotion moves only what names no version',
  async () => {
    const [one, two] = services;
    const old = await startClient('delays@v1');
    await apply([group('delays', { features: { mean: 'float32?' } })]);
    const fresh = await startClient('delays@v2');
    await write(two, 'delays', 'BARE1', { mean: 3 });
    expect(await read(two, ['delays@v2:mean'], 'OLD')).toMatchObject({ statuses: ['NOT_FOUND'] });
    const promoted = await region.call(one, 'POST', '/v1/admin/promotions', { group: 'delays@v2' });
    expect(promoted.body).toMatchObject({ outcome: 'done' });
    for (const service of services) {
      await vi.waitFor(
        async () => expect(await read(service, ['delays:mean'], 'OLD')).toMatchObject({ version: 2 }),
        PATIENCE,
      );
      expect(await read(service, ['delays:mean'], 'BARE1')).toMatchObject({ statuses: ['NOT_FOUND'] });
      expect(await read(service, ['delays@v1:mean'], 'BARE1')).toMatchObject({ columns: [[3]] });
    }
    await write(two, 'delays', 'BARE2', { mean: 4 });
    expect(await read(one, ['delays@v2:mean'], 'BARE2')).toMatchObject({ columns: [[4]] });
    expect(await read(one, ['delays@v1:mean'], 'BARE2')).toMatchObject({ statuses: ['NOT_FOUND'] });
    await expectUnharmed(old);
    await expectUnharmed(fresh);
  },
  SLOW_MS,
);
