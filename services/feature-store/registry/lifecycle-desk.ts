import type {
  LifecycleAnswer,
  PromotionRequest,
  RetirementRequest,
} from '@featuremesh/contracts/admin-lifecycle';
import { Catalogue } from '@featuremesh/domain/catalogue-lookup';
import { parseGroupReference } from '@featuremesh/domain/group-reference';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { ProblemError } from '@featuremesh/domain/problem';
import { isRegionId } from '@featuremesh/domain/region-id';
import type { Result } from '@featuremesh/domain/result';
import { type LifecyclePlan, planPromotion, planRetirement } from './lifecycle-plan.ts';
import type { Subject } from './registry-authority.ts';
import type { RegistryWriter } from './registry-writer.ts';

/** Moves aliases and retires groups at their home region, each as one audited commit (A9). */
export class LifecycleDesk {
  readonly #writer: RegistryWriter;

  constructor(writer: RegistryWriter) {
    this.#writer = writer;
  }

  /** Lets `production` point at another version, or says what would follow. Throws the problems of `planPromotion`. */
  promote(request: PromotionRequest, actor: string): Promise<LifecycleAnswer> {
    return this.#change(request, actor, state => planPromotion(request, state));
  }

  /** Closes a group or a version to reads and writes, and deletes its rows where asked to, or says what would follow. Throws the problems of `planRetirement`. */
  retire(request: RetirementRequest, actor: string): Promise<LifecycleAnswer> {
    return this.#change(request, actor, state => planRetirement(request, state));
  }

  /** What a reference means here; nothing where it means nothing, which the plan then says in its own words. */
  async #subjects(reference: string): Promise<readonly Subject[]> {
    const state = await this.#writer.state();
    const parsed = parseGroupReference(reference);
    const found = new Catalogue(state).group(reference);
    if (found.ok) return [{ home: found.value.definition.homeRegion, name: found.value.definition.name }];
    return parsed?.home === undefined || !isRegionId(parsed.home)
      ? []
      : [{ home: parsed.home, name: parsed.name }];
  }

  async #change(
    { group, dryRun, expectedRevision }: PromotionRequest | RetirementRequest,
    actor: string,
    planFor: (state: MeshState) => Result<LifecyclePlan>,
  ): Promise<LifecycleAnswer> {
    const plan = (state: MeshState): LifecyclePlan => {
      const planned = planFor(state);
      if (!planned.ok) throw new ProblemError(planned.problem);
      return planned.value;
    };
    const terms = {
      subjects: await this.#subjects(group),
      ...(expectedRevision === undefined ? {} : { expectedRevision }),
    };
    if (dryRun) {
      const planned = await this.#writer.plan(plan, terms);
      return answerOf(planned.plan, planned.state, 'planned');
    }
    const done = await this.#writer.write(plan, { actor, ...terms });
    return answerOf(done.plan, done.state, done.plan.entries.length === 0 ? 'unchanged' : 'done');
  }
}

function answerOf(
  { group, consequences }: LifecyclePlan,
  state: MeshState,
  outcome: LifecycleAnswer['outcome'],
): LifecycleAnswer {
  const name = parseGroupReference(group)?.name ?? group;
  return {
    region: state.region,
    group,
    outcome,
    versions: new Catalogue(state).versions(state.region, name).map(one => ({
      version: one.version,
      aliases: [...one.aliases],
      state: one.purged === true ? 'purged' : one.definition.state,
    })),
    consequences: [...consequences],
    revision: state.revision,
  };
}
