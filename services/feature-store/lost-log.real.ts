import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { CountingClient } from '@featuremesh/testkit/region/counting-client';
import { type ServiceProcess, ServiceProcesses } from '@featuremesh/testkit/region/service-processes';
import { group } from '@featuremesh/testkit/region/test-definitions';
import { afterAll, beforeAll, expect, test } from 'vitest';

let broker: FeedBroker;
let region: ServiceProcesses;
let client: CountingClient | undefined;

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer());
  region = await ServiceProcesses.write(broker);
});

afterAll(async () => {
  await client?.stop();
  await region?.remove();
  await broker?.stop();
});

async function started(): Promise<ServiceProcess> {
  const service = region.start(0);
  await region.until(service, '/health/ready', 200);
  return service;
}

test('S5: a log that is deleted and made anew is noticed, errors are retryable, and nothing acknowledged afterwards is lost', async () => {
  const first = await started();
  await region.define(first, [group('delays')]);
  const writing = new CountingClient(first.url, 'delays');
  client = writing;
  writing.start({ writers: 3, readers: 2 });
  await writing.acknowledges(60);
  const ended = new Promise<number | null>(resolve => first.child.once('exit', resolve));
  await broker.deleteFeed();
  await broker.createFeed({ epoch: 'e2' });
  // What a supervisor does: the process ends by itself and is started again.
  expect(await ended, first.log.join('')).toBe(1);
  const second = await started();
  await writing.acknowledges(60);
  expect(writing.wrong).toEqual([]);
  expect(writing.failures.filter(failure => !/: (0|503) /.test(failure))).toEqual([]);
  expect(await writing.lost()).toEqual([]);
  await writing.stop();
  expect(first.log.join('')).toContain('lost and made anew');

  // The log alone gives back what was acknowledged on it.
  const later = new CountingClient(second.url, 'delays', 'later');
  client = later;
  later.start({ writers: 2, readers: 1 });
  await later.acknowledges(40);
  await later.stop();
  await region.end(second, 'SIGKILL');
  await region.loseStore();
  await started();
  expect(await later.lost()).toEqual([]);
}, 120_000);
