import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { AuditRecord, Registry, TablePlacement } from './registry.ts';

/** All that a registry needs to be made again: what it held at one revision, and the last line of its record. */
export interface RegistryCopy {
  readonly revision: number;
  /** Last sequence given to an own entry. */
  readonly ownSequence: number;
  readonly confirmations: number;
  readonly entries: readonly CatalogueEntry[];
  readonly confirmedAtMs: Readonly<Record<string, number>>;
  readonly tables: readonly TablePlacement[];
  /** Number of audit records; only the last of them is in the copy, which the next one is chained to. */
  readonly audits: number;
  readonly lastAudit?: AuditRecord;
  /** Which registry outside this machine it is a copy of, and at which of its versions. */
  readonly origin?: { readonly id: string; readonly version: number };
}

/** Where copies of a region's registry are kept, apart from it. */
export interface RegistryCopies {
  /** The newest copy of any process of the region; undefined where there is none that can be read. */
  newest(): Promise<RegistryCopy | undefined>;
  /** Replaces this process's copy; on disk when it resolves. Where that fails the old one is removed, since it would bring back what was changed. */
  save(copy: RegistryCopy): Promise<void>;
}

/** A registry that can be copied, and says when it can no longer be relied on. */
export interface CopiedRegistry extends Registry {
  /** It was empty and was made again from a copy when it was opened. */
  readonly wasRestored: boolean;
  copy(): RegistryCopy;
  /** Why it can no longer be relied on, in words for an operator; undefined where it can. */
  failure(): string | undefined;
  /** Writes a trifle, as a commit would; throws where nothing can be written. */
  probe(): void;
}
