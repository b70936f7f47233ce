import { assert } from '@featuremesh/domain/assert';

/** Bytes to be looked for. */
export interface Pattern {
  readonly form: string;
  readonly bytes: Uint8Array;
}

/** A pattern that was met. */
export interface PatternMatch<T extends Pattern> {
  readonly pattern: T;
  readonly at: number;
}

/** The first so many bytes of a pattern are looked at in steps. */
const WINDOW_BYTES = 8;
const GRAM_BYTES = 3;
/** Of any window exactly one gram begins at a multiple of this. */
const STRIDE = WINDOW_BYTES - GRAM_BYTES + 1;

/**
 * Finds all of many patterns in one pass (after Wu and Manber, with a fixed step): grams of three bytes are looked up at every sixth
 * position, and only where one begins a pattern's window are the patterns compared. Patterns are at least eight bytes long.
 */
export class PatternSearch<T extends Pattern> {
  readonly #isKnown = new Uint8Array(1 << 24);
  readonly #byGram = new Map<number, { pattern: T; offset: number }[]>();

  constructor(patterns: readonly T[]) {
    for (const pattern of patterns) {
      assert(pattern.bytes.length >= WINDOW_BYTES, 'a pattern has at least eight bytes');
      for (let offset = 0; offset < STRIDE; offset++) {
        const gram = gramAt(pattern.bytes, offset);
        const known = this.#byGram.get(gram) ?? [];
        known.push({ pattern, offset });
        this.#byGram.set(gram, known);
        this.#isKnown[gram] = 1;
      }
    }
  }

  /** All occurrences, overlapping ones too, by the position of their gram. */
  *matches(bytes: Uint8Array): Generator<PatternMatch<T>> {
    const end = bytes.length - GRAM_BYTES;
    for (let at = 0; at <= end; at += STRIDE) {
      const gram = gramAt(bytes, at);
      if (this.#isKnown[gram] === 0) continue;
      for (const { pattern, offset } of this.#byGram.get(gram) ?? []) {
        const from = at - offset;
        if (from >= 0 && isThere(bytes, from, pattern.bytes)) yield { pattern, at: from };
      }
    }
  }
}

function gramAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
}

function isThere(bytes: Uint8Array, from: number, wanted: Uint8Array): boolean {
  if (from + wanted.length > bytes.length) return false;
  for (let i = 0; i < wanted.length; i++) if (bytes[from + i] !== wanted[i]) return false;
  return true;
}
