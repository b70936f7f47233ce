import { encodeFeedChunk } from '@featuremesh/domain/feed-chunk';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import { createLogger } from '@featuremesh/runtime/logger';
import { testKey, testRow } from '@featuremesh/testkit/generators/packed-rows';
import { WORLD_REGION, WriteWorld } from '@featuremesh/testkit/ingest/write-world';
import { MemoryOnlineStore } from '@featuremesh/testkit/memory/memory-online-store';
import { beforeEach, expect, test, vi } from 'vitest';
import type { AppendOutcome, ChangeLog, ChunkAppend, LogFilter, LogMessage } from '../ports/change-log.ts';
import type { ApplyOutcome, ApplyStep } from '../ports/online-store.ts';
import { ownWatermark } from './applied-names.ts';
import { HeldGroups } from './held-groups.ts';
import { APPLY_PATIENCE_MS, UNKNOWN_APPEND_QUARANTINE_MS } from './ingest-limits.ts';
import { LogReplay } from './log-replay.ts';
import { OwnApplier, type OwnWriteOutcome } from './own-applier.ts';
import { ReplaySteps } from './replay-step.ts';

const WATERMARK = ownWatermark(0, 'e1');
const logger = createLogger({}, { level: 'silent' });
const world = new WriteWorld({ delays: { features: { text: 'string?' } } });
const table = world.tableOf('delays');

/** A log whose appends end as the test says: stored, stored without an answer, or landing only later. */
class ScriptedLog implements Pick<ChangeLog, 'feedEpoch' | 'append' | 'readFrom' | 'lastSequence'> {
  readonly feedEpoch = 'e1';
  readonly messages: LogMessage[] = [];
  readonly script: ('answer' | 'no answer' | 'lands later' | Promise<void>)[] = [];
  readonly #late: ChunkAppend[] = [];
  #sequence = 0;

  async append(chunk: ChunkAppend): Promise<AppendOutcome> {
    const how = this.script.shift() ?? 'answer';
    if (how === 'lands later') {
      this.#late.push(chunk);
      return { kind: 'unknown' };
    }
    const sequence = this.#store(chunk);
    if (how === 'no answer') return { kind: 'unknown' };
    if (typeof how !== 'string') await how;
    return { kind: 'stored', sequence };
  }

  /** What the broker still had of an append is stored now. */
  land(): void {
    for (const chunk of this.#late.splice(0)) this.#store(chunk);
  }

  async *readFrom(after: number, _: LogFilter): AsyncGenerator<LogMessage> {
    for (const message of [...this.messages]) if (message.sequence > after) yield message;
  }

  async lastSequence(): Promise<number> {
    return this.#sequence;
  }

  #store({ groupId, version, slot, body }: ChunkAppend): number {
    const sequence = ++this.#sequence;
    const source = { kind: 'own' as const, slot };
    this.messages.push({ sequence, groupId, version, source, body, appendedAtMs: clock.now });
    return sequence;
  }
}

/** The memory store, whose next applies fail where the test says so. */
class FailingStore extends MemoryOnlineStore {
  failures = 0;
  stale = false;
  /** Steps wait for it. */
  held: Promise<void> | undefined;
  override async apply(step: ApplyStep): Promise<ApplyOutcome> {
    await this.held;
    if (this.stale) throw new ProblemError(problem('STALE_LEASE', 'taken over'));
    if (this.failures > 0) {
      this.failures -= 1;
      // As late as a real store, so that later steps are issued by then.
      await new Promise(resolve => setImmediate(resolve));
      throw new ProblemError(problem('STORE_UNAVAILABLE', 'down'));
    }
    return super.apply(step);
  }
}

const clock = {
  now: 1_000,
  nowMs: () => clock.now,
  nowUs: () => BigInt(clock.now) * 1_000n,
  monotonicMs: () => clock.now,
};
/** Every sleep passes its time at once. */
const timer = {
  sleep: async (ms: number) => {
    clock.now += ms;
    await new Promise(resolve => setImmediate(resolve));
  },
  every: () => ({ stop: () => undefined }),
};

let log: ScriptedLog;
let store: FailingStore;
let applier: OwnApplier;
let fenced: number;
let startApplier: (hadOtherOwner: boolean) => void;

beforeEach(async () => {
  log = new ScriptedLog();
  store = new FailingStore();
  fenced = 0;
  await store.ensureTables(world.tables());
  const lease = await store.acquireLease({
    name: 'slot.0',
    holder: 'a',
    nowMs: 0,
    untilMs: Number.MAX_SAFE_INTEGER,
  });
  if (lease === undefined) throw new Error('no lease');
  const changeLog = log as unknown as ChangeLog;
  const groups = new HeldGroups({ registry: world.registry, tables: world, region: WORLD_REGION, clock });
  const steps = new ReplaySteps({ groups, region: WORLD_REGION, feedEpoch: 'e1', clock });
  const replay = new LogReplay({ log: changeLog, store, steps, timer, logger });
  const onFenced = (): void => {
    fenced += 1;
  };
  startApplier = hadOtherOwner => {
    applier = new OwnApplier(
      { slot: 0, lease, log: changeLog, store, replay, clock, timer, logger, onFenced },
      { tail: 0, hadOtherOwner },
    );
  };
  startApplier(false);
});

function write(id: string): Promise<OwnWriteOutcome> {
  const rows = [{ key: testKey(id), row: testRow({ eventTimeUs: 1n, payload: id }) }];
  const append = { groupId: table.groupId, version: 1, slot: 0, body: encodeFeedChunk(rows) };
  return applier.write(append, () => ({ table, rows }));
}

const has = async (id: string): Promise<boolean> => (await store.read(table, [testKey(id)]))[0] !== undefined;

const recovered = (): Promise<void> => vi.waitFor(() => expect(applier.isBehind).toBe(false));

test('chunks are applied and the watermark follows', async () => {
  const outcomes = await Promise.all(['a', 'b', 'c'].map(write));
  expect(outcomes.map(outcome => outcome.kind === 'stored' && outcome.online)).toEqual(
    Array(3).fill('APPLIED'),
  );
  expect(await store.watermark(WATERMARK)).toBe(3);
});

test('a later chunk whose answer comes first does not move the watermark past an earlier one', async () => {
  let answer = (): void => undefined;
  log.script.push(new Promise(resolve => (answer = resolve)));
  const first = write('a');
  const second = write('b');
  await timer.sleep(1);
  expect(await store.watermark(WATERMARK)).toBe(0);
  answer();
  await Promise.all([first, second]);
  expect(await store.watermark(WATERMARK)).toBe(2);
});

test('after an unknown append the log is read before the watermark moves, and the chunk that was stored is applied', async () => {
  log.script.push('answer', 'no answer');
  await write('a');
  expect(await write('b')).toEqual({ kind: 'unknown' });
  expect(applier.isBehind).toBe(true);
  expect(await write('c')).toMatchObject({ kind: 'stored', online: 'APPLIED' });
  await recovered();
  expect(await has('b')).toBe(true);
  expect(await store.watermark(WATERMARK)).toBe(3);
});

test('a chunk that lands in the log only after its caller was told "unknown" is not passed over', async () => {
  log.script.push('lands later');
  const startedAtMs = clock.now;
  await write('a');
  await write('b');
  log.land();
  await write('c');
  await recovered();
  expect(clock.now - startedAtMs).toBeGreaterThanOrEqual(UNKNOWN_APPEND_QUARANTINE_MS);
  expect(await has('a')).toBe(true);
  expect(await store.watermark(WATERMARK)).toBe(3);
  expect(await write('d')).toMatchObject({ online: 'APPLIED' });
  expect(await store.watermark(WATERMARK)).toBe(4);
});

test('a step that fails stops the watermark, also for steps that were issued behind it', async () => {
  store.failures = 1;
  const [first, second] = await Promise.all([write('a'), write('b')]);
  expect(first).toMatchObject({ kind: 'stored', online: 'PENDING' });
  expect(second).toMatchObject({ kind: 'stored' });
  await recovered();
  expect([await has('a'), await has('b')]).toEqual([true, true]);
  expect(await store.watermark(WATERMARK)).toBe(2);
});

test('while the store stays down chunks are pending, and all are applied when it is back', async () => {
  store.failures = 20;
  const outcomes: OwnWriteOutcome[] = [];
  for (let at = 0; at < 5; at += 1) outcomes.push(await write(`k${at}`));
  expect(outcomes.every(outcome => outcome.kind === 'stored' && outcome.online === 'PENDING')).toBe(true);
  await recovered();
  for (let at = 0; at < 5; at += 1) expect(await has(`k${at}`)).toBe(true);
  expect(await store.watermark(WATERMARK)).toBe(5);
});

test('a writer waits for a late store so long and no longer, the next ones less; what was late is applied all the same, in order', async () => {
  let release = (): void => undefined;
  store.held = new Promise(resolve => {
    release = resolve;
  });
  let sinceMs = clock.now;
  expect(await write('a')).toMatchObject({ kind: 'stored', online: 'PENDING' });
  expect(clock.now - sinceMs).toBeGreaterThanOrEqual(APPLY_PATIENCE_MS);
  sinceMs = clock.now;
  expect(await write('b')).toMatchObject({ kind: 'stored', online: 'PENDING' });
  expect(clock.now - sinceMs).toBeLessThan(APPLY_PATIENCE_MS);
  expect(await store.watermark(WATERMARK)).toBe(0);
  release();
  store.held = undefined;
  expect(await write('c')).toMatchObject({ online: 'APPLIED' });
  expect([await has('a'), await has('b'), applier.isBehind]).toEqual([true, true, false]);
  expect(await store.watermark(WATERMARK)).toBe(3);
});

test('a lost lease is told once, and the chunk is in the log for who took over', async () => {
  store.stale = true;
  expect(await write('a')).toMatchObject({ kind: 'stored', online: 'PENDING' });
  expect(fenced).toBeGreaterThanOrEqual(1);
  expect(await store.watermark(WATERMARK)).toBe(0);
  expect(log.messages).toHaveLength(1);
});

test('what the process before appended late is applied by the one after it', async () => {
  log.script.push('lands later');
  await write('a');
  await applier.stop();
  startApplier(true);
  expect(await write('b')).toMatchObject({ online: 'APPLIED' });
  log.land();
  expect(await write('c')).toMatchObject({ online: 'APPLIED' });
  await recovered();
  expect(await has('a')).toBe(true);
  expect(await store.watermark(WATERMARK)).toBe(3);
});

test('what went into a log that counts anew is not acknowledged', async () => {
  await write('a');
  const other = new ScriptedLog();
  log.append = chunk => other.append(chunk);
  expect(await write('b')).toEqual({ kind: 'unknown' });
  expect(await write('b')).toEqual({ kind: 'refused', reason: 'unavailable' });
  expect(await store.watermark(WATERMARK)).toBe(1);
});
