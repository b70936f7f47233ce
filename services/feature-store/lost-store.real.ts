import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { ServiceProcesses } from '@featuremesh/testkit/region/service-processes';
import { readsWhileRebuilt, writeRowsToLose } from '@featuremesh/testkit/region/store-loss';
import { afterAll, beforeAll, expect, test } from 'vitest';

let broker: FeedBroker;
let region: ServiceProcesses;

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer(), 'without FEED');
  await broker.createFeed();
  region = await ServiceProcesses.write(broker, '', 'embedded');
});

afterAll(async () => {
  await region.remove();
  await broker.stop();
});

test('V5: an online store whose file was lost is rebuilt from the log, says so, and calls no row missing meanwhile', async () => {
  const before = region.start(0);
  await writeRowsToLose({ region, batches: 40 }, before);
  expect(await region.end(before, 'SIGKILL')).toBeNull();
  await region.loseStore();
  await readsWhileRebuilt({ region, batches: 40 }, region.start(0));
}, 60_000);
