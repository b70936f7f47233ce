import type { CanaryItem } from './canary-medium.ts';
import { DECODERS } from './decoders.ts';
import type { Needle } from './needle.ts';
import { needleForms } from './needle-forms.ts';
import { type Pattern, PatternSearch } from './pattern-search.ts';

/** Encodings inside encodings: a batch of a message in base64 of a packed log is four. */
const MAX_DEPTH = 6;

interface NeedlePattern extends Pattern {
  readonly needle: Needle;
}

/** A needle in an item: where and how. */
export interface Sighting {
  readonly needle: Needle;
  readonly form: string;
  readonly where: string;
}

/** Looks for needles in bytes and in all that can be decoded from them. */
export class ByteSearch {
  readonly #search: PatternSearch<NeedlePattern>;

  constructor(needles: readonly Needle[]) {
    this.#search = new PatternSearch(
      needles.flatMap(needle => needleForms(needle.value).map(pattern => ({ ...pattern, needle }))),
    );
  }

  /** Everything met in an item; `onDecoded` is told the name of each decoder whenever it took something apart. */
  *sightings(item: CanaryItem, onDecoded: (decoder: string) => void): Generator<Sighting> {
    yield* this.#in(item.bytes, { where: item.where, depth: 0, isSearched: false }, onDecoded);
  }

  *#in(
    bytes: Uint8Array,
    at: { where: string; depth: number; isSearched: boolean },
    onDecoded: (decoder: string) => void,
  ): Generator<Sighting> {
    if (!at.isSearched)
      for (const { pattern, at: offset } of this.#search.matches(bytes))
        yield { needle: pattern.needle, form: pattern.form, where: `${at.where} @ ${offset}` };
    if (at.depth === MAX_DEPTH) return;
    for (const { name, isView, inner } of DECODERS) {
      let count = 0;
      for (const found of inner(bytes)) {
        count += 1;
        onDecoded(name);
        const where = `${at.where} › ${name} @ ${found.at}`;
        yield* this.#in(found.bytes, { where, depth: at.depth + 1, isSearched: isView }, onDecoded);
      }
      // Its parts are all there is, and each has been through every decoder.
      if (isView && count > 0) return;
    }
  }
}
