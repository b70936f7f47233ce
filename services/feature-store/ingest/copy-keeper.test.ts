import { encodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { createLogger } from '@featuremesh/runtime/logger';
import { PrometheusMetrics } from '@featuremesh/runtime/metrics';
import { testKey, testRow } from '@featuremesh/testkit/generators/packed-rows';
import { WORLD_REGION, WriteWorld } from '@featuremesh/testkit/ingest/write-world';
import { MemoryOnlineStore } from '@featuremesh/testkit/memory/memory-online-store';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { LogFilter, LogMessage } from '../ports/change-log.ts';
import type { ApplyOutcome, ApplyStep } from '../ports/online-store.ts';
import type { CopyStates } from '../ports/store-copies.ts';
import { copiesWatermark, ownWatermark } from './applied-names.ts';
import { CopyKeeper } from './copy-keeper.ts';
import { HeldGroups } from './held-groups.ts';
import { AGAIN_ROWS_PER_S, COPIES_LAG_MS, COPIES_SAMPLE_MS } from './ingest-limits.ts';
import { NO_STEP, ReplaySteps } from './replay-step.ts';

const WAIT = { timeout: 20_000, interval: 1 };
const FLOOR = copiesWatermark('e1');
const NODE = '192.0.2.7 of dc2';
const logger = createLogger({}, { level: 'silent' });
const world = new WriteWorld({ delays: { features: { text: 'string?' } } });
const table = world.tableOf('delays');

/** A store whose rows are in `near`, and in `far` while that node is there: it is kept nothing while it is away. */
class TwofoldStore extends MemoryOnlineStore {
  readonly far = new MemoryOnlineStore();
  isAway = false;
  /** A node that nobody tells of: the store alone knows. */
  lacksOne = false;
  departures = 0;
  again = 0;

  override async apply(step: ApplyStep): Promise<ApplyOutcome> {
    if (step.everywhere && (this.isAway || this.lacksOne))
      throw new ProblemError(problem('STORE_UNAVAILABLE', 'one is away'));
    if (step.everywhere) this.again += step.rows.length;
    if (!this.isAway) await this.far.apply({ table: step.table, rows: step.rows });
    return super.apply(step);
  }

  copies(): CopyStates {
    return {
      away: this.isAway ? [NODE] : [],
      departures: this.departures,
    };
  }
}

/** A log of one slot, applied as soon as it is written. */
class World {
  readonly store = new TwofoldStore();
  readonly messages: LogMessage[] = [];
  readonly metrics = new PrometheusMetrics({ region: 'us-east-1', process: 'service', slot: '0' });
  nowMs = 1_000_000;
  firstSequence = 1;
  slept = 0;
  readonly #stopped = new AbortController();
  #running: Promise<void> | undefined;
  keeper = this.#keeper();

  #keeper(): CopyKeeper {
    return new CopyKeeper({
      store: this.store,
      log: {
        feedEpoch: 'e1',
        lastSequence: async filter => (isOwn(filter) ? this.messages.length : 0),
        firstSequence: async () => this.firstSequence,
        readFrom: (after, filter) => this.#readFrom(after, filter),
      },
      steps: new ReplaySteps({
        groups: new HeldGroups({ registry: world.registry, tables: world, region: WORLD_REGION, clock }),
        region: WORLD_REGION,
        feedEpoch: 'e1',
        clock,
      }),
      clock: { monotonicMs: () => this.nowMs },
      timer: {
        sleep: async ms => {
          this.nowMs += ms;
          this.slept += ms;
          await new Promise(resolve => setImmediate(resolve));
        },
        every: () => ({ stop: () => undefined }),
      },
      logger,
      metrics: this.metrics,
    });
  }

  async *#readFrom(after: number, filter: LogFilter): AsyncGenerator<LogMessage> {
    if (!isOwn(filter)) return;
    for (const message of [...this.messages])
      if (message.sequence > after && message.sequence >= this.firstSequence) yield message;
  }

  async write(key: string): Promise<void> {
    const sequence = this.messages.length + 1;
    const rows = [{ key: testKey(key), row: testRow({ eventTimeUs: BigInt(sequence), payload: key }) }];
    const { groupId, version } = table;
    const source = { kind: 'own' as const, slot: 0 };
    const body = encodeFeedChunk(rows);
    this.messages.push({ sequence, groupId, version, source, body, appendedAtMs: 0 });
    await this.store.apply({ table, rows, watermark: { name: ownWatermark(0, 'e1'), sequence } });
  }

  start(): void {
    this.#running = this.keeper.keep(this.#stopped.signal);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async passes(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    await expect.poll(() => this.nowMs, WAIT).toBeGreaterThan(untilMs);
  }

  leaves(): void {
    this.store.isAway = true;
    this.store.departures += 1;
  }

  returns(): void {
    this.store.isAway = false;
  }
}

const clock = { nowMs: () => 1_000_000, nowUs: () => 1_000_000_000n };
const isOwn = ({ kind, ...rest }: LogFilter): boolean =>
  kind === 'all-own' || (kind === 'own' && 'slot' in rest && rest.slot === 0);

let at: World;

beforeEach(async () => {
  at = new World();
  await at.store.ensureTables([table]);
  await at.store.far.ensureTables([table]);
});
afterEach(() => at.stop());

test('what is written while a node is away is applied to it from the log when it is back, and nothing else', async () => {
  for (let key = 0; key < 20; key += 1) await at.write(`before-${key}`);
  at.start();
  await at.passes(COPIES_LAG_MS + 2 * COPIES_SAMPLE_MS);
  expect([await at.store.watermark(FLOOR), at.store.again]).toEqual([21, 0]);
  at.leaves();
  for (let key = 0; key < 30; key += 1) await at.write(`while-${key}`);
  await at.passes(60_000);
  expect(at.keeper.warning()).toBe(`${NODE} is away; what it misses is applied again when it is back`);
  expect(await at.store.far.countRows(table)).toBe(20);
  at.returns();
  await expect.poll(() => at.store.far.countRows(table), WAIT).toBe(50);
  await expect.poll(() => at.keeper.warning(), WAIT).toBe(`30 rows applied again after ${NODE} was away`);
  expect([at.store.again, await at.store.watermark(FLOOR)]).toEqual([30, 51]);
  await at.passes(COPIES_LAG_MS + 700_000);
  expect([at.keeper.warning(), at.store.again]).toEqual([undefined, 30]);
});

test('a process that begins goes on where the floor was written down, also where none was away since: it cannot know', async () => {
  for (let key = 0; key < 20; key += 1) await at.write(`key-${key}`);
  await at.store.apply({ ...NO_STEP, watermark: { name: FLOOR, sequence: 6 } });
  at.start();
  await expect.poll(() => at.store.again, WAIT).toBe(15);
  expect(at.keeper.warning()).toContain('15 rows applied again');
});

test('while the store cannot give rows to every copy that is said, tried more and more seldom, and made good in the end', async () => {
  for (let key = 0; key < 20; key += 1) await at.write(`key-${key}`);
  await at.store.apply({ ...NO_STEP, watermark: { name: FLOOR, sequence: 6 } });
  at.store.lacksOne = true;
  at.start();
  await expect
    .poll(() => at.keeper.warning() ?? '', WAIT)
    .toContain('cannot be applied again yet: one is away');
  await at.passes(300_000);
  expect(await at.store.watermark(FLOOR)).toBe(6);
  at.store.lacksOne = false;
  await at.passes(60_000);
  await expect.poll(() => at.store.watermark(FLOOR), WAIT).toBe(21);
  expect(at.keeper.warning()).toContain('15 rows applied again');
});

test('what the log has forgotten is told: only a repair brings it', async () => {
  for (let key = 0; key < 20; key += 1) await at.write(`key-${key}`);
  await at.store.apply({ ...NO_STEP, watermark: { name: FLOOR, sequence: 6 } });
  at.firstSequence = 11;
  at.start();
  await expect.poll(() => at.store.again, WAIT).toBe(10);
  await expect.poll(() => at.keeper.warning() ?? '', WAIT).toContain('forgotten 5 messages');
  expect(at.keeper.warning()).toContain('run nodetool repair');
  expect(await at.metrics.text()).toMatch(/featuremesh_store_repair_needed\{[^}]*\} 1/);
});

test('a node that goes again while rows are applied again is brought all of them when it is back', async () => {
  await at.write('first');
  at.start();
  await at.passes(COPIES_LAG_MS + 2 * COPIES_SAMPLE_MS);
  at.leaves();
  for (let key = 0; key < 3_000; key += 1) await at.write(`while-${key}`);
  at.returns();
  await expect.poll(() => at.store.again, WAIT).toBeGreaterThan(0);
  at.leaves();
  await at.write('again');
  await at.passes(30_000);
  expect(await at.store.far.countRows(table)).toBeLessThan(3_001);
  const { slept } = at;
  const before = at.store.again;
  at.returns();
  await expect.poll(() => at.store.far.countRows(table), WAIT).toBe(3_002);
  // At the stated pace.
  await expect.poll(() => at.keeper.warning() ?? '', WAIT).toContain('rows applied again after');
  expect(at.slept - slept).toBeGreaterThanOrEqual(((at.store.again - before) / AGAIN_ROWS_PER_S) * 1_000);
});
