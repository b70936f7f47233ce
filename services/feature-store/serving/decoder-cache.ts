import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import { RowDecoder } from '@featuremesh/domain/row-decoder';

/** Decoders kept: about ten feature lists of each of 50 groups; a miss costs one compilation. */
const MAX_DECODERS = 512;

interface LastRead {
  readonly names: readonly string[];
  readonly vectorsAs: VectorsAs;
  readonly decoder: RowDecoder;
}

/** How vectors are answered. */
export type VectorsAs = 'array' | 'base64f32';

/** Compiled row decoders per (group version, revision, feature list); the one used longest ago leaves when full. */
export class DecoderCache {
  readonly #decoders = new Map<string, RowDecoder>();
  /** What each group was read for last: a planner gives the same list again and again, which needs no text to be found by. */
  readonly #last = new WeakMap<CatalogueGroup, LastRead>();

  /** The decoder of `names`, in that order; names must be features of the group. */
  decoderOf(group: CatalogueGroup, names: readonly string[], vectorsAs: VectorsAs): RowDecoder {
    const last = this.#last.get(group);
    if (last?.names === names && last.vectorsAs === vectorsAs) return last.decoder;
    const decoder = this.#find(group, names, vectorsAs);
    this.#last.set(group, { names, vectorsAs, decoder });
    return decoder;
  }

  #find(group: CatalogueGroup, names: readonly string[], vectorsAs: VectorsAs): RowDecoder {
    const key = `${group.id}/${group.version}/${group.revision}/${vectorsAs}/${names.join(',')}`;
    const cached = this.#decoders.get(key);
    if (cached !== undefined) {
      this.#decoders.delete(key);
      this.#decoders.set(key, cached);
      return cached;
    }
    const decoder = new RowDecoder(schemasOf(group), names, { vectorsAs });
    this.#decoders.set(key, decoder);
    if (this.#decoders.size > MAX_DECODERS) {
      const oldest = this.#decoders.keys().next();
      if (oldest.done !== true) this.#decoders.delete(oldest.value);
    }
    return decoder;
  }
}

/** The schemas of all revisions up to the group's own, revision r at index r − 1. */
function schemasOf(group: CatalogueGroup): CatalogueGroup['revisions'] {
  const earlier = group.revisions.slice(0, group.revision - 1);
  return [...earlier, group.definition.features];
}
