import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { SyncReports, TablePlacement } from '../../ports/registry.ts';
import type { RegistryContents, RegistryCopy } from '../../ports/registry-copy.ts';

/** Bytes of address space: a catalogue of 10,000 groups of 10 KiB fits ten times over. */
const MAP_BYTES = 1024 * 1024 * 1024;

/** All but the entries: small, and written whole. */
interface Kept extends Pick<RegistryContents, 'id' | 'version' | 'audits'> {
  readonly revision: number;
  readonly ownSequence: number;
  readonly confirmedAtMs: Readonly<Record<string, number>>;
  readonly placements: readonly TablePlacement[];
  readonly reports: SyncReports;
}

/** The copy in one LMDB environment that the region's processes on this machine share; each save is one transaction. */
export class LmdbRegistryCopy implements RegistryCopy {
  readonly #root: RootDatabase<unknown, string>;
  readonly #entries: Database<CatalogueEntry, string>;
  readonly #kept: Database<Kept, string>;

  private constructor(path: string) {
    this.#root = open({ path, mapSize: MAP_BYTES, maxDbs: 4, encoding: 'json' });
    this.#entries = this.#root.openDB({ name: 'entries', encoding: 'json' });
    this.#kept = this.#root.openDB({ name: 'kept', encoding: 'json' });
  }

  /** Opens or creates the environment. */
  static open(path: string): LmdbRegistryCopy {
    return new LmdbRegistryCopy(path);
  }

  load(): RegistryContents | undefined {
    this.#root.resetReadTxn();
    const kept = this.#kept.get('last');
    if (kept === undefined) return undefined;
    const entries = new Map<string, CatalogueEntry>();
    for (const { key, value } of this.#entries.getRange()) entries.set(key, value);
    const { id, version, audits, revision, ownSequence, confirmedAtMs, reports } = kept;
    const placements = new Map(kept.placements.map(each => [`${each.groupId}/${each.version}`, each]));
    return {
      ...{ id, version, audits, placements, reports },
      image: { revision, ownSequence, entries, confirmedAtMs },
    };
  }

  save(contents: RegistryContents, { forced, changed }: Parameters<RegistryCopy['save']>[1]): void {
    const { id, version, audits, image, reports } = contents;
    this.#root.transactionSync(() => {
      const before = this.#kept.get('last');
      const isSame = before?.id === id;
      if (isSame && !forced && before.version >= version) return;
      const follows = isSame && !forced && changed !== undefined && before.audits >= changed.audits;
      if (!follows) this.#entries.clearSync();
      for (const key of follows ? changed.keys : image.entries.keys()) {
        const entry = image.entries.get(key);
        if (entry !== undefined) this.#entries.putSync(key, entry);
      }
      const { revision, ownSequence, confirmedAtMs } = image;
      const placements = [...contents.placements.values()];
      this.#kept.putSync('last', {
        ...{ id, version, audits, revision, ownSequence, confirmedAtMs, placements, reports },
      });
    });
  }

  async close(): Promise<void> {
    await this.#root.close();
  }
}
