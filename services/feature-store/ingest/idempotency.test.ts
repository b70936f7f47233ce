import { IDEMPOTENCY_WINDOW_MS } from '@featuremesh/domain/limits';
import { regionId } from '@featuremesh/domain/region-id';
import { createLogger } from '@featuremesh/runtime/logger';
import { PrometheusMetrics } from '@featuremesh/runtime/metrics';
import { MemoryOnlineStore } from '@featuremesh/testkit/memory/memory-online-store';
import { beforeEach, expect, test } from 'vitest';
import type { ChangeLog, LogMessage } from '../ports/change-log.ts';
import { bodyHash, EarlierChunks, formatAnswer, formatIndexed, idempotencyId } from './idempotency.ts';
import { IdempotencySweep } from './idempotency-sweep.ts';
import { IDEMPOTENCY_SWEEP_ENTRIES } from './ingest-limits.ts';

const REGION = regionId('us-east-1');
const GROUP = 'aaaaaaaaaaaaaaaa';
const POSITION = { origin: REGION, feedEpoch: 'e1', groupId: GROUP, appender: 0, sequence: 9 };
const ANSWER = {
  accepted: 3,
  rejected: [{ index: 1, code: 'MALFORMED_ROW', message: 'bad “row”' }],
} as const;

let store: MemoryOnlineStore;
let nowMs: number;
let logged: LogMessage | undefined;
let earlier: EarlierChunks;
const clock = { nowMs: () => nowMs, nowUs: () => BigInt(nowMs) * 1_000n };

beforeEach(() => {
  store = new MemoryOnlineStore();
  nowMs = 10 * IDEMPOTENCY_WINDOW_MS;
  logged = undefined;
  const log = { feedEpoch: 'e1', messageAt: async () => logged } as unknown as ChangeLog;
  earlier = new EarlierChunks({ store, log, region: REGION, clock, maxEntries: 2 });
});

const remember = (id: string, storedAtMs = nowMs): Promise<unknown> =>
  store.apply({
    table: { groupId: GROUP, version: 1, generation: 1 },
    rows: [],
    positions: [POSITION],
    idempotency: { id, bodyHash: 'h', answer: formatIndexed(formatAnswer(ANSWER), POSITION), storedAtMs },
  });

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    value => value,
    (error: { problem?: { code?: string } }) => error.problem?.code,
  );

test('an id depends on everything that identifies a chunk, and on nothing run together', () => {
  const of = { caller: 'a', groupId: GROUP, version: 1, key: 'k', ordinal: 0 };
  const ids = [
    of,
    { ...of, caller: 'b' },
    { ...of, groupId: 'bbbbbbbbbbbbbbbb' },
    { ...of, version: 2 },
    { ...of, key: 'l' },
    { ...of, ordinal: 1 },
    { ...of, caller: 'a"', key: '"k' },
  ].map(idempotencyId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(idempotencyId(of)).toBe(ids[0]);
  expect(ids[0]).toMatch(/^[\w-]{43}$/);
});

test('a body read with another treatment of NaN is another body', () => {
  const hash = (nonFinite: string): string => bodyHash({ nonFinite }).update('x').digest('hex');
  expect(hash('null')).not.toBe(hash('refuse'));
});

test('the first answer is given again, with its position', async () => {
  await remember('i');
  expect(await earlier.find('i', 'h')).toEqual({ ...ANSWER, position: POSITION, online: 'APPLIED' });
  expect(await codeOf(earlier.find('i', 'other'))).toBe('IDEMPOTENCY_KEY_REUSED');
  expect(await earlier.find('j', 'h')).toBeUndefined();
});

test('a header takes the answer: ASCII on one line, and read back as it was', () => {
  const text = formatAnswer({ ...ANSWER, rejected: [{ ...ANSWER.rejected[0], message: 'a\r\nb – 😀' }] });
  expect(text).toMatch(/^[\x20-\x7e]+$/);
  expect(JSON.parse(text)).toMatchObject({ rejected: [{ message: 'a\r\nb – 😀' }] });
});

test('after 24 hours an id is new, also before it is swept', async () => {
  await remember('i', nowMs - IDEMPOTENCY_WINDOW_MS);
  expect(await earlier.find('i', 'h')).toBeDefined();
  nowMs += 1;
  expect(await earlier.find('i', 'other')).toBeUndefined();
});

test('a full index refuses new ids and still answers for known ones', async () => {
  await remember('i');
  await remember('j');
  expect(await codeOf(earlier.find('k', 'h'))).toBe('IDEMPOTENCY_INDEX_FULL');
  expect(await earlier.find('i', 'h')).toBeDefined();
});

test('a duplicate that the broker named is read from the log', async () => {
  logged = {
    sequence: 9,
    groupId: GROUP,
    version: 1,
    source: { kind: 'own', slot: 0 },
    body: new Uint8Array(),
    appendedAtMs: nowMs,
    idempotencyId: 'i',
    bodyHash: 'h',
    answer: formatAnswer(ANSWER),
  };
  expect(await earlier.ofLog(9, 'h')).toEqual({ ...ANSWER, position: POSITION, online: 'PENDING' });
  await remember('i');
  expect(await earlier.ofLog(9, 'h')).toMatchObject({ online: 'APPLIED' });
  expect(await codeOf(earlier.ofLog(9, 'other'))).toBe('IDEMPOTENCY_KEY_REUSED');
  logged = undefined;
  expect(await codeOf(earlier.ofLog(9, 'h'))).toBe('LOG_UNAVAILABLE');
});

test('a sweep removes in portions what is older than 24 hours, and only that', async () => {
  const old = IDEMPOTENCY_SWEEP_ENTRIES + 10;
  for (let at = 0; at < old; at += 1) await remember(`old${at}`, nowMs - IDEMPOTENCY_WINDOW_MS - 1);
  await remember('young', nowMs - IDEMPOTENCY_WINDOW_MS + 1);
  const metrics = new PrometheusMetrics({}, { processMetrics: false });
  const logger = createLogger({}, { level: 'silent' });
  const timer = { sleep: async () => undefined, every: () => ({ stop: () => undefined }) };
  await new IdempotencySweep({ store, clock, timer, logger, metrics }).sweep();
  expect(await store.countIdempotency()).toBe(1);
  expect(await store.idempotency('young')).toBeDefined();
  expect(await metrics.text()).toContain('featuremesh_idempotency_entries 1');
});
