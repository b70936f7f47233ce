import { writeSync } from 'node:fs';
import { ERRORS } from '@featuremesh/domain/error-catalogue';
import { ProblemError } from '@featuremesh/domain/problem';
import { Projector } from '@featuremesh/feature-store/ingest/projector';
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
  const region = await WriteRegion.start({
    brokerUrl: given.brokerUrl,
    world,
    slot: given.slot,
    storePath: given.storePath,
  });
  const projector = new Projector({
    ...region.parts,
    registry: world.registry,
    tables: world,
    store: region.store,
    log: region.log,
    region: WORLD_REGION,
    slot: given.slot,
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
