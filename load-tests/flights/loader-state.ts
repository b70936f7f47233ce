import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { stretchSchema } from './timeline.ts';

const FILE = 'flights.json';

const stateSchema = z.strictObject({
  version: z.literal(1),
  /** Part of every idempotency key, so that two loads never share one. */
  loadId: z.string(),
  publicationDelayMs: z.number(),
  /** Airports and travellers are accepted. */
  profilesWritten: z.boolean(),
  /** Stretches that still matter to a window of 24 h, oldest first; the last one is under way. */
  stretches: z.array(stretchSchema).min(1),
  /** Running number of the first flight of the last stretch that is not yet known to be accepted. */
  next: z.int().min(0),
  /** Greatest event time among the flights accepted; null before the first. */
  lastEventMs: z.number().nullable(),
});

/** How far a load has come; a second start goes on from here. */
export type LoaderState = z.infer<typeof stateSchema>;

/** Reads the state of a folder; undefined where there is none. Throws where the file is not whole: then `--fresh` is the way. */
export function readState(folder: string): LoaderState | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, FILE), 'utf8');
  } catch {
    return undefined;
  }
  return stateSchema.parse(JSON.parse(text));
}

/** Writes the state in one step: a reader sees the old or the new one. */
export function writeState(folder: string, state: LoaderState): void {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, FILE);
  writeFileSync(`${path}.new`, JSON.stringify(state));
  renameSync(`${path}.new`, path);
}
