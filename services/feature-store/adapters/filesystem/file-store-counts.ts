import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '@featuremesh/runtime/atomic-file';
import { z } from 'zod';
import type { StoreCounts } from '../../ingest/store-refill.ts';

const countsSchema = z.record(z.string(), z.int().min(0));

/** Rows per table in a file beside the store, so that it is known what a lost one held. */
export class FileStoreCounts implements StoreCounts {
  readonly #path: string;
  #saved = '';

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<Readonly<Record<string, number>>> {
    try {
      return countsSchema.parse(JSON.parse(await readFile(this.#path, 'utf8')));
    } catch {
      // Never counted, or torn: what was lost cannot be told then.
      return {};
    }
  }

  async save(counts: Readonly<Record<string, number>>): Promise<void> {
    const text = JSON.stringify(counts);
    if (text === this.#saved) return;
    await writeFileAtomic(this.#path, text);
    this.#saved = text;
  }
}
