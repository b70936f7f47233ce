import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { catalogueEntrySchema } from '@featuremesh/contracts/catalogue-entry';
import { writeFileAtomic } from '@featuremesh/runtime/atomic-file';
import type { Logger } from '@featuremesh/runtime/logger';
import { z } from 'zod';
import type { TablePlacement } from '../../ports/registry.ts';
import type { RegistryCopies, RegistryCopy } from '../../ports/registry-copies.ts';

const count = z.int().min(0);

const fileSchema = z.strictObject({
  format: z.literal(1),
  revision: count,
  ownSequence: count,
  confirmations: count,
  entries: z.array(catalogueEntrySchema),
  confirmedAtMs: z.record(z.string(), z.number()),
  tables: z.array(
    z.strictObject({
      groupId: z.string(),
      version: count,
      generation: count,
      held: z.boolean(),
      droppedAtMs: z.number().exactOptional(),
    }),
  ),
  audits: count,
  lastAudit: z
    .strictObject({
      revision: count,
      atMs: z.number(),
      actor: z.string(),
      what: z.string(),
      entries: z.array(z.string()),
      previousHash: z.string(),
    })
    .exactOptional(),
  origin: z.strictObject({ id: z.string().min(1), version: count }).exactOptional(),
});

/** Copies of the registry, one file per service process, so that none overwrites a newer one of another. */
export class FileRegistryCopies implements RegistryCopies {
  readonly #folder: string;
  readonly #path: string;
  readonly #logger: Logger;

  constructor(options: { folder: string; slot: number; logger: Logger }) {
    this.#folder = options.folder;
    this.#path = join(options.folder, `slot-${options.slot}.json`);
    this.#logger = options.logger;
  }

  async newest(): Promise<RegistryCopy | undefined> {
    const names = await readdir(this.#folder).catch(() => []);
    const copies: RegistryCopy[] = [];
    for (const name of names.filter(each => each.endsWith('.json')))
      copies.push(...(await this.#read(join(this.#folder, name))));
    const [newest] = copies.toSorted((a, b) => b.revision - a.revision || b.audits - a.audits);
    return newest === undefined ? undefined : { ...newest, tables: newestTables(copies) };
  }

  async save(copy: RegistryCopy): Promise<void> {
    try {
      await writeFileAtomic(this.#path, JSON.stringify({ format: 1, ...copy }), 0o600);
    } catch (error) {
      await rm(this.#path, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  async #read(path: string): Promise<readonly RegistryCopy[]> {
    try {
      const { format: _, ...copy } = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
      return [copy as RegistryCopy];
    } catch (error) {
      this.#logger.error({ err: error, path }, 'a copy of the registry cannot be read');
      return [];
    }
  }
}

/** Placements change without a revision, in any process: the later of each; a table is made, then given up, then dropped. */
function newestTables(copies: readonly RegistryCopy[]): readonly TablePlacement[] {
  const newest = new Map<string, TablePlacement>();
  const age = ({ generation, held, droppedAtMs }: TablePlacement): number =>
    3 * generation + (held ? 0 : droppedAtMs === undefined ? 1 : 2);
  for (const table of copies.flatMap(copy => copy.tables)) {
    const key = `${table.groupId}/${table.version}`;
    const known = newest.get(key);
    if (known === undefined || age(table) > age(known)) newest.set(key, table);
  }
  return [...newest.values()];
}
