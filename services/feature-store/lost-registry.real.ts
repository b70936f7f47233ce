import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { type ServiceProcess, ServiceProcesses } from '@featuremesh/testkit/region/service-processes';
import { definitions, group } from '@featuremesh/testkit/region/test-definitions';
import { afterAll, beforeAll, expect, test } from 'vitest';

const PATIENCE = { timeout: 30_000, interval: 50 };
let broker: FeedBroker;
let region: ServiceProcesses;

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer());
  region = await ServiceProcesses.write(broker);
});

afterAll(async () => {
  await region?.remove();
  await broker?.stop();
});

const folder = (): string => join(region.folder, 'data', 'lmdb', 'registry');

async function registryHealth(service: ServiceProcess): Promise<unknown> {
  const { status, body } = await region.call(service, 'GET', '/health/ready');
  expect(status).toBe(200);
  return body.components.registry;
}

/** Writes one row and reads it back. */
async function writesAndReads(service: ServiceProcess, airport: string): Promise<void> {
  const eventTime = new Date().toISOString();
  const rows = [{ key: { airport }, eventTime, features: { mean: 1 } }];
  const write = await region.call(service, 'POST', '/v1/groups/delays/rows', { rows });
  expect(write.body).toMatchObject({ accepted: 1, online: 'APPLIED' });
  const question = { features: ['delays:mean'], keys: { airport: ['first', airport] } };
  const read = await region.call(service, 'POST', '/v1/online/read', question);
  expect(read.body.results?.[0], JSON.stringify(read.body)).toMatchObject({ statuses: ['PRESENT'] });
}

test('F1: while the registry cannot be had known versions are read and written, also after a restart; lost, it is made again', async () => {
  const first = region.start(0);
  await region.until(first, '/health/ready', 200);
  await region.define(first, [group('delays')]);
  await writesAndReads(first, 'first');
  expect(await registryHealth(first)).toEqual({ ready: true });
  await region.end(first, 'SIGKILL');

  await writeFile(join(folder(), 'data.mdb'), Buffer.alloc(65_536, 'no registry'));
  const second = region.start(0);
  await region.until(second, '/health/ready', 200);
  await writesAndReads(second, 'second');
  expect(await registryHealth(second)).toMatchObject({
    ready: true,
    warning: expect.stringContaining('known versions are served from a copy'),
  });
  const refused = await region.call(second, 'POST', '/v1/admin/definitions', {
    definitions: definitions([group('delays'), group('other')]),
  });
  expect([refused.status, refused.body.code]).toEqual([503, 'REGISTRY_UNAVAILABLE']);

  await rm(folder(), { recursive: true });
  await expect
    .poll(() => registryHealth(second), PATIENCE)
    .toMatchObject({ warning: expect.stringContaining('made again from its copy') });
  await region.define(second, [group('delays'), group('other')]);
  await region.end(second, 'SIGKILL');

  await rm(folder(), { recursive: true });
  const third = region.start(0);
  await region.until(third, '/health/ready', 200);
  await writesAndReads(third, 'third');
  const { body } = await region.call(third, 'GET', '/internal/v1/mesh-state', undefined, true);
  expect(body.groups).toHaveLength(2);
}, 120_000);
