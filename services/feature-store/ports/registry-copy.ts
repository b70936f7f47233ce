import type { RegistryImage } from '../registry/registry-image.ts';
import type { SyncReports, TablePlacement } from './registry.ts';

/** All that a registry outside this machine holds at one moment, but for the record of who changed what. */
export interface RegistryContents {
  /** Drawn when the registry was made: another one of the same name begins anew. */
  readonly id: string;
  /** Raised by every write, whatever it changes. */
  readonly version: number;
  /** Number of audit records: as many as commits that changed an entry. */
  readonly audits: number;
  readonly image: RegistryImage;
  readonly placements: ReadonlyMap<string, TablePlacement>;
  readonly reports: SyncReports;
}

/**
 * The last known contents of a registry, on this machine's disk, shared by the region's processes here: what a process that
 * starts while the registry does not answer goes by. Never ahead of the registry, and never read while it answers.
 */
export interface RegistryCopy {
  /** What was kept last; undefined where nothing was. */
  load(): RegistryContents | undefined;
  /**
   * Keeps contents, whole or not at all; nothing where another process keeps later ones already, unless they are `forced` because
   * the registry itself went back. `changed`: the entries changed since the contents with so many `audits`.
   */
  save(
    contents: RegistryContents,
    how: {
      readonly forced: boolean;
      readonly changed?: { readonly audits: number; readonly keys: readonly string[] };
    },
  ): void;
  close(): Promise<void>;
}
