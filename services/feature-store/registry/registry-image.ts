import { isDeepStrictEqual } from 'node:util';
import { type CatalogueEntry, serialOf } from '@featuremesh/domain/catalogue-entry';
import { isNewerView, listedAs, opaqueForm, type ViewEntry } from '@featuremesh/domain/catalogue-view';
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

/** What a change does to an image: the entries to write, those to remove first, and the image after them. */
export interface ImageChange {
  readonly image: RegistryImage;
  readonly written: readonly { readonly key: string; readonly entry: CatalogueEntry }[];
  /** Keys of what a home's newer view no longer lets this region know; never without something written. */
  readonly removed: readonly string[];
}

/**
 * Applies entries to an image. Own entries get the next sequence, unless nothing of them changed; imported ones are kept where their
 * sequence is newer than what is known, and as far as their home's newest view lists them (C2). In whatever order and how often the
 * same entries come, the image is the same in the end (C3). Where nothing is written the image is the same object.
 */
export function changeImage(
  image: RegistryImage,
  entries: readonly CatalogueEntry[],
  self: RegionId,
): ImageChange {
  const draft = new Draft(image);
  // What may be known is settled before what is told is looked at.
  for (const entry of entries) if (entry.kind === 'view' && entry.home !== self) draft.takeView(entry);
  for (const entry of entries) {
    if (entry.kind === 'view') continue;
    if (entry.home === self) draft.takeOwn(entry);
    else draft.takeImported(entry);
  }
  return draft.finish();
}

class Draft {
  readonly #image: RegistryImage;
  readonly #entries: Map<string, CatalogueEntry>;
  readonly #written = new Map<string, CatalogueEntry>();
  readonly #removed = new Set<string>();
  #sequence: number;

  constructor(image: RegistryImage) {
    this.#image = image;
    this.#entries = new Map(image.entries);
    this.#sequence = image.ownSequence;
  }

  takeOwn(entry: CatalogueEntry): void {
    const key = entryKey(entry);
    const known = this.#entries.get(key);
    if (known !== undefined && sameContent(known, entry)) return;
    this.#sequence += 1;
    const serial = known === undefined ? this.#sequence : serialOf(known);
    this.#put(key, { ...entry, sequence: this.#sequence, serial });
  }

  takeImported(told: CatalogueEntry): void {
    const view = this.#viewOf(told.home);
    const visibility = view === undefined ? 'full' : listedAs(view.view, serialOf(told));
    if (visibility === 'hidden') return;
    const entry = visibility === 'opaque' && told.kind === 'group' ? opaqueForm(told) : told;
    if (visibility === 'opaque' && entry.kind !== 'opaque-group') return;
    const key = entryKey(entry);
    const known = this.#entries.get(key);
    const unveils = known?.kind === 'opaque-group' && entry.kind === 'group';
    const veils = known?.kind === 'group' && entry.kind === 'opaque-group';
    if (known === undefined || unveils || (!veils && entry.sequence > known.sequence)) this.#put(key, entry);
  }

  /**
   * Takes a newer view and forgets what it no longer lists. Of a group the bare id stays, also of a hidden one: rows of it that are on
   * their way must be refused, not held as rows of a group that is not known yet.
   */
  takeView(view: ViewEntry): void {
    const known = this.#viewOf(view.home);
    if (known !== undefined && !isNewerView(view, known)) return;
    this.#put(entryKey(view), view);
    for (const [key, entry] of [...this.#entries]) {
      if (entry.home !== view.home || entry.kind === 'view') continue;
      if (entry.kind === 'opaque-group' || listedAs(view.view, serialOf(entry)) === 'full') continue;
      if (entry.kind === 'group') {
        this.#put(key, opaqueForm(entry));
        continue;
      }
      this.#entries.delete(key);
      this.#written.delete(key);
      this.#removed.add(key);
    }
  }

  finish(): ImageChange {
    const image = this.#image;
    if (this.#written.size === 0) return { image, written: [], removed: [] };
    return {
      image: { ...image, revision: image.revision + 1, ownSequence: this.#sequence, entries: this.#entries },
      written: [...this.#written].map(([key, entry]) => ({ key, entry })),
      removed: [...this.#removed].filter(key => !this.#entries.has(key)),
    };
  }

  #put(key: string, entry: CatalogueEntry): void {
    this.#entries.set(key, entry);
    this.#written.set(key, entry);
  }

  #viewOf(home: string): ViewEntry | undefined {
    const known = this.#entries.get(`view/${home}`);
    return known?.kind === 'view' ? known : undefined;
  }
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
  return isDeepStrictEqual({ ...a, sequence: 0, serial: 0 }, { ...b, sequence: 0, serial: 0 });
}
