import type { RowSender } from './row-sender.ts';

/** Rows of one request: ten chunks of the write path. */
const BATCH_ROWS = 5_120;
/** Requests under way at once. */
const MAX_IN_FLIGHT = 4;

/** Writes lines of NDJSON into a group, several batches at once; resolves with how many rows were taken. BatchRefused otherwise. */
export async function writeLines(
  sender: RowSender,
  group: string,
  lines: Iterable<string>,
  options: { readonly loadId: string; readonly signal: AbortSignal },
): Promise<number> {
  const running = new Set<Promise<void>>();
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  let rows = 0;
  let batches = 0;
  const send = (ndjson: string): void => {
    const idempotencyKey = `${options.loadId}-${batches}`;
    batches += 1;
    const work = sender
      .send({ group, ndjson, idempotencyKey }, signal)
      .then(({ accepted, duplicates }) => {
        rows += accepted + duplicates;
      })
      .catch((error: unknown) => failed.abort(error))
      .finally(() => running.delete(work));
    running.add(work);
  };
  let batch: string[] = [];
  for (const line of lines) {
    batch.push(line);
    if (batch.length < BATCH_ROWS) continue;
    send(batch.join(''));
    batch = [];
    while (running.size >= MAX_IN_FLIGHT) await Promise.race(running);
    signal.throwIfAborted();
  }
  if (batch.length > 0) send(batch.join(''));
  while (running.size > 0) await Promise.race(running);
  signal.throwIfAborted();
  return rows;
}
