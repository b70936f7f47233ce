import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { ERRORS } from '@featuremesh/domain/error-catalogue';
import { ProblemError } from '@featuremesh/domain/problem';
import { CassandraOnlineStore } from '@featuremesh/feature-store/adapters/cassandra/cassandra-online-store';
import { testStoreOptions } from '@featuremesh/feature-store/adapters/cassandra/testing/test-store';
import { Projector } from '@featuremesh/feature-store/ingest/projector';
import type { OnCrashPoint } from '@featuremesh/feature-store/ports/crash-points';
import type { OnlineStore } from '@featuremesh/feature-store/ports/online-store';
import type { StampBounds } from '@featuremesh/feature-store/ports/stamp-bounds';
import { type Clock, type MonotonicClock, systemClock } from '@featuremesh/runtime/clock';
import { overlay } from '@featuremesh/runtime/overlay';
import { WriteRegion } from './write-region.ts';
import { WORLD_REGION } from './write-world.ts';
import { type WriterArguments, writerBatch, writerWorld } from './writer-batches.ts';

const RETRY_MS = 50;

/**
 * A service process of a test: writes batches as fast as its log takes them and prints `ack <batch> <position>` once a batch is
 * acknowledged, at once and unbuffered, so that what it promised is known after `kill -9`.
 */
async function run(given: WriterArguments): Promise<void> {
  const world = writerWorld();
  const onCrashPoint = given.crash === undefined ? undefined : crashAt(given.crash);
  const clock = clockAhead(given.clockAheadMs ?? 0);
  const region = await WriteRegion.start({
    brokerUrl: given.brokerUrl,
    world,
    slot: given.slot,
    storePath: given.storePath,
    clock,
    ...(given.cassandra && { openStore: cassandraStore(given.cassandra, onCrashPoint) }),
    ...(onCrashPoint && { onCrashPoint, wrapStore: tellingSteps }),
  });
  const projector = new Projector({
    ...region.parts,
    registry: world.registry,
    tables: world,
    store: region.store,
    log: region.log,
    region: WORLD_REGION,
    slot: given.slot,
    onCrashPoint,
  });
  if (given.projects) projector.start();
  writeSync(1, 'ready\n');
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < given.batches) {
      const batch = next++;
      const key = given.keyed ? { idempotencyKey: `batch-${batch}` } : {};
      const position = await writeUntilAccepted(region, writerBatch(given.slot, batch), key);
      writeSync(1, `ack ${batch} ${position}\n`);
    }
  };
  await Promise.all(Array.from({ length: given.writers }, writer));
  writeSync(1, 'done\n');
}

/** Ends this process as kill -9 does, in the middle of what it is doing. */
function crashAt({ point, at }: NonNullable<WriterArguments['crash']>): OnCrashPoint {
  let reached = 0;
  return async reachedPoint => {
    if (reachedPoint === point && ++reached >= at) process.kill(process.pid, 'SIGKILL');
  };
}

/** Prints `issue <rows> <hash>` for every step with rows, in the order in which steps are issued: a store relies on that order. */
function tellingSteps(store: OnlineStore & StampBounds): OnlineStore & StampBounds {
  return overlay(store, {
    apply: step => {
      const [first] = step.rows;
      if (first !== undefined) {
        const hash = createHash('sha256').update(first.key).update(first.row).digest('hex');
        writeSync(1, `issue ${step.rows.length} ${hash}\n`);
      }
      return store.apply(step);
    },
  });
}

function cassandraStore(
  { cluster, keyspace }: NonNullable<WriterArguments['cassandra']>,
  onCrashPoint: OnCrashPoint | undefined,
): () => Promise<OnlineStore & StampBounds> {
  return async () => {
    const store = new CassandraOnlineStore({ ...testStoreOptions(cluster, { keyspace }), onCrashPoint });
    await store.connect();
    return store;
  };
}

const clockAhead = (aheadMs: number): Clock & MonotonicClock => ({
  ...systemClock,
  nowMs: () => systemClock.nowMs() + aheadMs,
  nowUs: () => systemClock.nowUs() + BigInt(aheadMs) * 1_000n,
});

/** As a producer does: an answer that says retryable is tried again. */
async function writeUntilAccepted(
  region: WriteRegion,
  rows: readonly unknown[],
  more: { readonly idempotencyKey?: string },
): Promise<string | null> {
  for (;;) {
    try {
      return (await region.write('crash', rows, more)).position;
    } catch (error) {
      if (!(error instanceof ProblemError) || !ERRORS[error.problem.code].retryable) throw error;
      await region.parts.timer.sleep(RETRY_MS);
    }
  }
}

await run(JSON.parse(process.argv[2] ?? '{}') as WriterArguments);
