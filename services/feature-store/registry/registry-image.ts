import { isDeepStrictEqual } from 'node:util';
import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { entryKey } from './entry-key.ts';

/** All that a registry holds at one revision; immutable. */
export interface RegistryImage {
  readonly revision: number;
  /** Last sequence given to an own entry. */
  readonly ownSequence: number;
  readonly entries: ReadonlyMap<string, CatalogueEntry>;
  /** When a home region's policy was last confirmed, this region's clock, per home. */
  readonly confirmedAtMs: Readonly<Record<string, number>>;
}

/** An empty registry. */
export const EMPTY_IMAGE: RegistryImage = {
  revision: 0,
  ownSequence: 0,
  entries: new Map(),
  confirmedAtMs: {},
};

/** What a change does to an image: the entries to write, and the image after them. */
export interface ImageChange {
  readonly image: RegistryImage;
  readonly written: readonly { readonly key: string; readonly entry: CatalogueEntry }[];
}

/**
 * Applies entries to an image. Own entries get the next sequence, unless nothing of them changed; imported ones are
 * kept where their sequence is newer than what is known. Where nothing is written the image is the same object.
 */
export function changeImage(
  image: RegistryImage,
  entries: readonly CatalogueEntry[],
  self: RegionId,
): ImageChange {
  const next = new Map(image.entries);
  const written = new Map<string, CatalogueEntry>();
  let sequence = image.ownSequence;
  for (const entry of entries) {
    const key = entryKey(entry);
    const known = next.get(key);
    if (entry.home === self) {
      if (known !== undefined && sameContent(known, entry)) continue;
      sequence += 1;
      const numbered = { ...entry, sequence };
      next.set(key, numbered);
      written.set(key, numbered);
    } else if (known === undefined || entry.sequence > known.sequence) {
      next.set(key, entry);
      written.set(key, entry);
    }
  }
  if (written.size === 0) return { image, written: [] };
  return {
    image: { ...image, revision: image.revision + 1, ownSequence: sequence, entries: next },
    written: [...written].map(([key, entry]) => ({ key, entry })),
  };
}

/** Throws CONCURRENT_CHANGE where a change was made for another revision than the registry is at. */
export function assertRevision(revision: number, expected: number | undefined): void {
  if (expected === undefined || expected === revision) return;
  throw new ProblemError(
    problem(
      'CONCURRENT_CHANGE',
      `the registry is at revision ${revision}, the change was made for ${expected}`,
    ),
  );
}

function sameContent(a: CatalogueEntry, b: CatalogueEntry): boolean {
  return isDeepStrictEqual({ ...a, sequence: 0 }, { ...b, sequence: 0 });
}
