import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { datesPassed, type Publication, publicationTo } from '@featuremesh/domain/publication';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Registry } from '../ports/registry.ts';

interface Made {
  readonly revision: number;
  readonly dates: number;
  readonly regions: number;
  readonly publication: Publication;
}

/** Says what of this region's entries a peer may know (C1); judged anew when the registry changes or a policy's date passes. */
export class Publisher {
  readonly #registry: Pick<Registry, 'entries' | 'state'>;
  readonly #clock: Clock;
  /** One for each peer of the roster. */
  readonly #made = new Map<string, Made>();

  constructor(options: { readonly registry: Pick<Registry, 'entries' | 'state'>; readonly clock: Clock }) {
    this.#registry = options.registry;
    this.#clock = options.clock;
  }

  /** The peer's view, then the entries that it lists with a sequence above `after`. To a region that is no peer: nothing. */
  async entriesFor(peer: string, after: number): Promise<readonly CatalogueEntry[]> {
    const before = this.#registry.state().revision;
    const entries = await this.#registry.entries();
    const state = this.#registry.state();
    const receiver = state.regions.find(({ id }) => id === peer && id !== state.region);
    if (receiver === undefined) return [];
    const { view, entries: told } = this.#publication(receiver.id, entries, state.revision === before);
    return [view, ...told.filter(entry => entry.sequence > after)];
  }

  /** Kept only where entries and state are surely of one revision. */
  #publication(receiver: RegionId, entries: readonly CatalogueEntry[], keep: boolean): Publication {
    const state = this.#registry.state();
    const nowMs = this.#clock.nowMs();
    const dates = datesPassed(entries, nowMs);
    const known = this.#made.get(receiver);
    const { revision, regions } = state;
    if (known?.revision === revision && known.dates === dates && known.regions === regions.length)
      return known.publication;
    const publication = publicationTo(receiver, { state, entries, nowMs });
    if (keep) this.#made.set(receiver, { revision, dates, regions: regions.length, publication });
    return publication;
  }
}
