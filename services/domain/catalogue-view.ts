import type { CatalogueEntry, CatalogueView } from './catalogue-entry.ts';
import type { Visibility } from './policy.ts';

/** How much the view lets its receiver know of the thing with this serial; `hidden` where it is not listed. */
export function listedAs(view: CatalogueView, serial: number): Visibility {
  if (within(view.full, serial)) return 'full';
  return within(view.opaque, serial) ? 'opaque' : 'hidden';
}

/** Whether `next` says the same as `told` about everything that `told` judged, so that only what is new need be told. */
export function continues(told: CatalogueView, next: CatalogueView): boolean {
  const upTo = (ranges: CatalogueView['full']): string =>
    ranges
      .filter(([from]) => from <= told.through)
      .map(([from, through]) => `${from}-${Math.min(through, told.through)}`)
      .join();
  return upTo(told.full) === upTo(next.full) && upTo(told.opaque) === upTo(next.opaque);
}

/** Whether the view entry `a` was made after `b`, both of one home. */
export function isNewerView(a: ViewEntry, b: ViewEntry): boolean {
  if (a.sequence !== b.sequence) return a.sequence > b.sequence;
  return a.view.datesPassed > b.view.datesPassed;
}

/** An entry that is a view. */
export type ViewEntry = Extract<CatalogueEntry, { kind: 'view' }>;

/** A group's entry with nothing left but what an outsider may know. Its sequence is the serial, so that it stands behind every full form. */
export function opaqueForm(entry: Extract<CatalogueEntry, { kind: 'group' }>): CatalogueEntry {
  const { home, group } = entry;
  const serial = entry.serial ?? entry.sequence;
  const { id, version } = group;
  return {
    kind: 'opaque-group',
    home,
    sequence: serial,
    serial,
    group: { id, version, homeRegion: group.definition.homeRegion },
  };
}

/**
 * Ranges of the chosen serials. A range may span numbers that nothing has: they are never given again. `serials` are all that exist,
 * ascending.
 */
export function rangesOf(
  serials: readonly number[],
  chosen: (serial: number) => boolean,
): CatalogueView['full'] {
  const ranges: [number, number][] = [];
  let open: [number, number] | undefined;
  for (const serial of serials) {
    if (!chosen(serial)) open = undefined;
    else if (open !== undefined) open[1] = serial;
    else {
      open = [serial, serial];
      ranges.push(open);
    }
  }
  return ranges;
}

function within(ranges: CatalogueView['full'], serial: number): boolean {
  let [low, high] = [0, ranges.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [from, through] = ranges[middle] ?? [0, 0];
    if (serial < from) high = middle - 1;
    else if (serial > through) low = middle + 1;
    else return true;
  }
  return false;
}
