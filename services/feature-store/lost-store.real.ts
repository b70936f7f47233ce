import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { ServiceProcesses } from '@featuremesh/testkit/region/service-processes';
import { group } from '@featuremesh/testkit/region/test-definitions';
import { afterAll, beforeAll, expect, test } from 'vitest';

const BATCHES = 40;
const BATCH_ROWS = 500;
let broker: FeedBroker;
let region: ServiceProcesses;

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer(), 'without FEED');
  await broker.createFeed();
  region = await ServiceProcesses.write(broker, 'store: {type: lmdb}\n');
});

afterAll(async () => {
  await region.remove();
  await broker.stop();
});

test('V5: an online store whose file was lost is rebuilt from the log, says so, and calls no row missing meanwhile', async () => {
  const before = region.start(0);
  await region.until(before, '/health/ready', 200);
  await region.define(before, [group('delays')]);
  const eventTime = new Date().toISOString();
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const rows = Array.from({ length: BATCH_ROWS }, (_, at) => ({
      key: { airport: `A${batch}-${at}` },
      eventTime,
      features: { mean: batch },
    }));
    const { body } = await region.call(before, 'POST', '/v1/groups/delays/rows', { rows });
    expect(body).toMatchObject({ accepted: BATCH_ROWS, online: 'APPLIED' });
  }
  await region.end(before, 'SIGKILL');
  await rm(join(region.folder, 'data', 'lmdb', 'online'), { recursive: true });

  const again = region.start(0);
  const question = {
    features: ['delays:mean'],
    keys: { airport: Array.from({ length: BATCHES }, (_, batch) => `A${batch}-${BATCH_ROWS - 1}`) },
  };
  const answers = new Set<string>();
  let isReady = false;
  while (!isReady) {
    const read = await region.call(again, 'POST', '/v1/online/read', question).catch(() => undefined);
    if (read !== undefined)
      answers.add(JSON.stringify([read.status, read.body.results?.[0]?.statuses ?? read.body.code]));
    isReady = (await region.call(again, 'GET', '/health/ready').catch(() => undefined))?.status === 200;
  }
  expect([...answers].filter(answer => answer.includes('NOT_FOUND'))).toEqual([]);
  expect(
    [...answers].some(answer => answer.startsWith('[503')),
    [...answers].join(' '),
  ).toBe(true);
  const read = await region.call(again, 'POST', '/v1/online/read', question);
  expect(read.body.results[0]).toMatchObject({
    columns: [Array.from({ length: BATCHES }, (_, batch) => batch)],
    statuses: ['PRESENT'],
  });
  expect(again.log.join('')).toMatch(/it is rebuilt from the log[\s\S]*holds what the log holds/);
}, 60_000);
