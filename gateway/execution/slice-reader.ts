import { type Problem, problem } from '@featuremesh/domain/problem';
import { isRegionId, type RegionId } from '@featuremesh/domain/region-id';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import { sliceGroup } from './catalogue-nodes.ts';
import type { AsksRegions, ReadContext } from './matrix-reader.ts';
import type { EntityAnswer } from './region-asker.ts';

/** A reference to a slice as discovery gave it out. */
export interface SliceReference {
  readonly region: string;
  readonly group: string;
}

/** Fills `FeatureSlice` references live: one request per region that the catalogue lists as a holder; no other region can answer for it. */
export class SliceReader {
  readonly #regions: AsksRegions;
  readonly #clock: MonotonicClock;

  constructor(options: { readonly regions: AsksRegions; readonly clock: MonotonicClock }) {
    this.#regions = options.regions;
    this.#clock = options.clock;
  }

  /** One answer per reference, in their order. `query` is the planned operation, which goes to each region as it is. */
  async read(
    references: readonly SliceReference[],
    operation: { readonly query: string; readonly variables: Readonly<Record<string, unknown>> },
    context: ReadContext,
  ): Promise<readonly EntityAnswer[]> {
    const answers: EntityAnswer[] = references.map(({ region }) => ({
      kind: 'problem',
      problem: unavailable(region),
    }));
    const byRegion = new Map<RegionId, number[]>();
    for (const [index, reference] of references.entries()) {
      const { region } = reference;
      if (!isRegionId(region) || !this.#holds(reference, context)) continue;
      byRegion.set(region, [...(byRegion.get(region) ?? []), index]);
    }
    await Promise.all(
      [...byRegion].map(async ([region, indexes]) => {
        const texts = indexes.map(index => {
          const group = references[index]?.group;
          return JSON.stringify({ __typename: 'FeatureSlice', region, group });
        });
        const distinct = [...new Set(texts)];
        const replies = await this.#regions.ask({
          region,
          query: operation.query,
          variables: operation.variables,
          representations: distinct,
          caller: context.caller,
          timeoutMs: Math.max(1, Math.floor(context.deadlineAtMs - this.#clock.monotonicMs())),
        });
        for (const [at, index] of indexes.entries()) {
          const reply = replies[distinct.indexOf(texts[at] ?? '')];
          if (reply !== undefined) answers[index] = reply;
        }
      }),
    );
    return answers;
  }

  #holds({ region, group }: SliceReference, { view, nowMs }: ReadContext): boolean {
    return view.state.groups.some(
      known =>
        sliceGroup(known) === group &&
        view.placements.of(known, nowMs).placement.some(holder => holder === region),
    );
  }
}

function unavailable(region: string): Problem {
  return problem('REGION_UNAVAILABLE', `${region} is not available`, { extra: { region } });
}
