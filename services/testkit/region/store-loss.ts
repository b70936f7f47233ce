import { expect } from 'vitest';
import type { ServiceProcess, ServiceProcesses } from './service-processes.ts';
import { group } from './test-definitions.ts';

const BATCH_ROWS = 500;
/** Between two reads. */
const PAUSE_MS = 5;
/** Far more than it takes: LMDB below a second, the tests' Cassandra a few. */
const REBUILT_WITHIN_MS = 30_000;

/** One row of every batch. */
const questionOf = (batches: number): unknown => ({
  features: ['delays:mean'],
  keys: { airport: Array.from({ length: batches }, (_, batch) => `A${batch}-${BATCH_ROWS - 1}`) },
});

/** A region whose store will be lost, and how many batches of rows it gets before. */
export interface StoreToLose {
  readonly region: ServiceProcesses;
  readonly batches: number;
}

/** Writes the rows that are lost afterwards, of the group `delays`; all are applied when it resolves. */
export async function writeRowsToLose(
  { region, batches }: StoreToLose,
  service: ServiceProcess,
): Promise<void> {
  await region.until(service, '/health/ready', 200);
  await region.define(service, [group('delays')]);
  const eventTime = new Date().toISOString();
  for (let batch = 0; batch < batches; batch += 1) {
    const rows = Array.from({ length: BATCH_ROWS }, (_, at) => ({
      key: { airport: `A${batch}-${at}` },
      eventTime,
      features: { mean: batch },
    }));
    const { body } = await region.call(service, 'POST', '/v1/groups/delays/rows', { rows });
    expect(body).toMatchObject({ accepted: BATCH_ROWS, online: 'APPLIED' });
  }
}

/**
 * Reads one row of every batch from the start of a process until it is ready. V5: none is called missing meanwhile, reads are refused at
 * least once, and afterwards every row is there.
 */
export async function readsWhileRebuilt(subject: StoreToLose, service: ServiceProcess): Promise<void> {
  const { region, batches } = subject;
  const answers = new Set<string>();
  const untilMs = Date.now() + REBUILT_WITHIN_MS;
  let isReady = false;
  while (!isReady) {
    if (Date.now() > untilMs) throw new Error(`it is not ready again:\n${service.log.join('')}`);
    await readOnce(subject, service, answers);
    const health = await region.call(service, 'GET', '/health/ready').catch(() => undefined);
    isReady = health?.status === 200;
    // Whoever asks without a pause takes the processors from what rebuilds.
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
  }
  expect([...answers].filter(answer => answer.includes('NOT_FOUND'))).toEqual([]);
  expect(
    [...answers].some(answer => answer.startsWith('[503')),
    [...answers].join(' '),
  ).toBe(true);
  const read = await region.call(service, 'POST', '/v1/online/read', questionOf(batches));
  expect(read.body.results[0]).toMatchObject({
    columns: [Array.from({ length: batches }, (_, batch) => batch)],
    statuses: ['PRESENT'],
  });
  expect(service.log.join('')).toMatch(/it is rebuilt from the log[\s\S]*holds what the log holds/);
}

/** Reads once and notes what was answered; nothing where nobody listens. */
export async function readOnce(
  { region, batches }: StoreToLose,
  service: ServiceProcess,
  answers: Set<string>,
): Promise<void> {
  const read = await region
    .call(service, 'POST', '/v1/online/read', questionOf(batches))
    .catch(() => undefined);
  if (read !== undefined)
    answers.add(JSON.stringify([read.status, read.body.results?.[0]?.statuses ?? read.body.code]));
}
