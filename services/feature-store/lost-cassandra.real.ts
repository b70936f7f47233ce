import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { ServiceProcesses } from '@featuremesh/testkit/region/service-processes';
import { readOnce, readsWhileRebuilt, writeRowsToLose } from '@featuremesh/testkit/region/store-loss';
import { afterAll, beforeAll, expect, test } from 'vitest';

let broker: FeedBroker;
let region: ServiceProcesses;

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer(), 'without FEED');
  await broker.createFeed();
  region = await ServiceProcesses.write(broker, '', 'full');
});

afterAll(async () => {
  await region.remove();
  await broker.stop();
});

test('V5: a Cassandra that loses all rows under a running process ends it; started again it rebuilds them from the log, and calls none missing', async () => {
  const subject = { region, batches: 8 };
  const before = region.start(0);
  await writeRowsToLose(subject, before);
  const ended = new Promise<number | null>(resolve => before.child.once('exit', resolve));
  await region.loseStore();
  const answers = new Set<string>();
  while (before.child.exitCode === null) await readOnce(subject, before, answers);
  expect(await ended).not.toBe(0);
  expect([...answers].filter(answer => answer.includes('NOT_FOUND'))).toEqual([]);
  expect(before.log.join('')).toMatch(/keyspace in Cassandra is gone[\s\S]*lost and made anew/);

  await readsWhileRebuilt(subject, region.start(0));
}, 120_000);
