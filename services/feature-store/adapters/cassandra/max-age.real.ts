import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import { definitions, group } from '@featuremesh/testkit/region/test-definitions';
import { TestRegion } from '@featuremesh/testkit/region/test-region';
import { afterAll, beforeAll, expect, test } from 'vitest';

const MAX_AGE_MS = 3_600_000;
let broker: FeedBroker;
let region: TestRegion;

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer());
  region = await TestRegion.start('us-east-1', { brokerUrl: broker.url, profile: 'full' });
});

afterAll(async () => {
  await region?.stop();
  await broker?.stop();
});

test('V1: a row written to a region on Cassandra is PRESENT until its max age has passed, then its value is withheld, unless the stale one is asked for', async () => {
  await region.call('POST', '/v1/admin/definitions', {
    definitions: definitions([group('delays', { maxAgeMs: MAX_AGE_MS })]),
  });
  const eventTime = new Date(region.nowMs()).toISOString();
  const rows = [{ key: { airport: 'ATL' }, eventTime, features: { mean: 4.5 } }];
  const write = await region.call('POST', '/v1/groups/delays/rows', { rows });
  expect(write.body).toMatchObject({ accepted: 1, online: 'APPLIED' });
  const read = async (more: object = {}) => {
    const asked = { features: ['delays:mean'], keys: { airport: 'ATL' }, ...more };
    return (await region.call('POST', '/v1/online/read', asked)).body.results[0];
  };
  const time = { eventTimes: [eventTime] };
  expect(await read()).toMatchObject({ columns: [[4.5]], statuses: ['PRESENT'], ...time });
  region.shiftClock(MAX_AGE_MS / 2);
  expect(await read()).toMatchObject({ columns: [[4.5]], statuses: ['PRESENT'], ...time });
  region.shiftClock(MAX_AGE_MS / 2 + 1);
  expect(await read()).toMatchObject({ columns: [[null]], statuses: ['OUTSIDE_MAX_AGE'], ...time });
  expect(await read({ includeStale: true })).toMatchObject({
    columns: [[4.5]],
    statuses: ['OUTSIDE_MAX_AGE'],
    ...time,
  });
});
