import type { ChangeLog, LogFilter } from '../ports/change-log.ts';
import type { OnlineStore } from '../ports/online-store.ts';
import { importsWatermark, ownWatermark } from './applied-names.ts';
import { MAX_SLOTS } from './ingest-limits.ts';

/** Last sequence of everyone who appended to the log, by the watermark that must reach it. */
export async function logTails(
  log: Pick<ChangeLog, 'feedEpoch' | 'lastSequence'>,
): Promise<ReadonlyMap<string, number>> {
  const tails = new Map<string, number>();
  const add = async (watermark: string, filter: LogFilter): Promise<void> => {
    const sequence = await log.lastSequence(filter);
    if (sequence > 0) tails.set(watermark, sequence);
  };
  for (let slot = 0; slot < MAX_SLOTS; slot += 1)
    await add(ownWatermark(slot, log.feedEpoch), { kind: 'own', slot });
  await add(importsWatermark(log.feedEpoch), { kind: 'imports' });
  return tails;
}

/** The sequence up to which all of the log was applied at the call; 0 while the log is empty. */
export async function appliedThrough(
  log: Pick<ChangeLog, 'feedEpoch' | 'lastSequence'>,
  store: Pick<OnlineStore, 'watermark'>,
): Promise<number> {
  // Asked first: what is appended between two questions lies above it.
  let through = await lastOf(log);
  const tails = await logTails(log);
  for (const [name, last] of tails) {
    const applied = await store.watermark(name);
    if (applied < last) through = Math.min(through, applied);
  }
  return through;
}

/** Sequence of the newest message that holds rows, of whoever appended it. */
export async function lastOf(log: Pick<ChangeLog, 'lastSequence'>): Promise<number> {
  return Math.max(await log.lastSequence({ kind: 'all-own' }), await log.lastSequence({ kind: 'imports' }));
}
