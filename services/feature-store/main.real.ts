import { locateNatsServer } from '@featuremesh/infra/components/nats-server';
import { FeedBroker } from '@featuremesh/testkit/broker/feed-broker';
import {
  type ServiceProcess as Service,
  type ServiceAnswer,
  ServiceProcesses,
} from '@featuremesh/testkit/region/service-processes';
import { definitions, group } from '@featuremesh/testkit/region/test-definitions';
import { measureWriteAmplification } from '@featuremesh/testkit/region/write-amplification';
import { afterAll, beforeAll, expect, test } from 'vitest';

let broker: FeedBroker;
let region: ServiceProcesses;
let services: Service[];

beforeAll(async () => {
  broker = await FeedBroker.start(await locateNatsServer(), 'without FEED');
  region = await ServiceProcesses.write(broker);
  services = [region.start(0), region.start(1)];
});

afterAll(async () => {
  await region.remove();
  await broker.stop();
});

const call = (...args: Parameters<ServiceProcesses['call']>): Promise<ServiceAnswer> => region.call(...args);
const until = (...args: Parameters<ServiceProcesses['until']>): Promise<ServiceAnswer> =>
  region.until(...args);

const pair = (): [Service, Service] => {
  const [one, two] = services;
  if (one === undefined || two === undefined) throw new Error('two services run');
  return [one, two];
};

test('answers the sync agent before there is a log, and refuses writes until there is one', async () => {
  const [one, two] = pair();
  await until(one, '/health/live', 200);
  await until(two, '/health/live', 200);
  const state = await call(one, 'GET', '/internal/v1/mesh-state?after=0&waitMs=0', undefined, true);
  expect(state.body).toMatchObject({ region: 'us-east-1', regions: [{ id: 'us-east-1' }] });
  expect((await call(one, 'GET', '/internal/v1/mesh-state')).status).toBe(401);
  const ready = await call(one, 'GET', '/health/ready');
  expect([ready.status, ready.body.components.log.ready]).toEqual([503, false]);
  const write = await call(one, 'POST', '/v1/groups/delays/rows', { rows: [] });
  expect([write.status, write.body.code]).toEqual([503, 'LOG_UNAVAILABLE']);
  await broker.createFeed();
  await until(one, '/health/ready', 200);
  await until(two, '/health/ready', 200);
  expect((await call(one, 'GET', '/health/route')).body).toEqual({ state: 'active', weight: 100 });
});

test('apply waits for the agent to enforce the revision, and both processes serve what either wrote', async () => {
  const [one, two] = pair();
  let answered = false;
  const applying = call(one, 'POST', '/v1/admin/definitions', {
    definitions: definitions([group('delays')]),
  }).then(answer => {
    answered = true;
    return answer;
  });
  const seen = await call(two, 'GET', '/internal/v1/mesh-state?after=1&waitMs=5000', undefined, true);
  expect(seen.body.groups).toHaveLength(1);
  expect(answered).toBe(false);
  // The other process is told, as an agent might that reaches it first.
  await call(two, 'POST', '/internal/v1/enforced', { revision: seen.body.revision, hash: 'h' }, true);
  const applied = await applying;
  expect(applied.body.perRegion).toEqual([{ region: 'us-east-1', outcome: 'applied' }]);

  const eventTime = new Date().toISOString();
  for (const [i, service] of pair().entries()) {
    const rows = [{ key: { airport: `A${i}` }, eventTime, features: { mean: i } }];
    const write = await call(service, 'POST', '/v1/groups/delays/rows', { rows });
    expect(write.body).toMatchObject({ accepted: 1, online: 'APPLIED' });
    const other = services[1 - i] ?? service;
    const after = {
      features: ['delays:mean'],
      keys: { airport: `A${i}` },
      consistency: { after: write.body.position },
    };
    const read = await call(other, 'POST', '/v1/online/read', after);
    expect(read.body.results[0]).toMatchObject({ columns: [[i]], statuses: ['PRESENT'] });
  }
});

test('in normal operation rows are written once: at most 1.05 rows are applied for each that is accepted', async () => {
  const { acceptedRows, appliedRows } = await measureWriteAmplification(region, services);
  expect(acceptedRows).toBe(4_000);
  expect(appliedRows / acceptedRows).toBeLessThanOrEqual(1.05);
  expect(appliedRows).toBeGreaterThanOrEqual(acceptedRows);
});

test('of applies made for one revision, sent to both processes at once, exactly one is taken', async () => {
  const [one, two] = pair();
  const { body } = await call(one, 'GET', '/internal/v1/mesh-state', undefined, true);
  await call(one, 'POST', '/internal/v1/enforced', { revision: body.revision + 1, hash: 'h' }, true);
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) =>
      call(i % 2 === 0 ? one : two, 'POST', '/v1/admin/definitions', {
        definitions: definitions([group(`race_${i}`)]),
        expectedRevision: body.revision,
      }),
    ),
  );
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  for (const { status, body: answer } of answers)
    if (status !== 200) expect([status, answer.code]).toEqual([409, 'CONCURRENT_CHANGE']);
  const after = await call(two, 'GET', '/internal/v1/mesh-state', undefined, true);
  expect(after.body.groups).toHaveLength(body.groups.length + 1);
});

test('metrics count what was answered, and the log holds no key', async () => {
  const [one] = pair();
  const metrics = await call(one, 'GET', '/metrics');
  expect(metrics.body).toContain('featuremesh_rows_accepted_total');
  expect(metrics.body).toMatch(/featuremesh_mesh_state_revision\{.*\} [1-9]/);
  expect(one.log.join('')).not.toContain('A0');
});

test('a killed process comes back with everything; SIGTERM ends both cleanly', async () => {
  const [one, two] = pair();
  const killed = new Promise(resolve => two.child.once('exit', resolve));
  two.child.kill('SIGKILL');
  await killed;
  services[1] = region.start(1);
  const [, again] = pair();
  await until(again, '/health/ready', 200);
  const read = await call(again, 'POST', '/v1/online/read', {
    features: ['delays:mean'],
    keys: { airport: ['A0', 'A1'] },
  });
  expect(read.body.results[0]).toMatchObject({ columns: [[0, 1]], statuses: ['PRESENT'] });
  for (const { child, log } of [one, again]) {
    const ended = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGTERM');
    expect(await ended, log.join('')).toBe(0);
  }
});
