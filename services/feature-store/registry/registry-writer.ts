import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Registry } from '../ports/registry.ts';
import type { Enforcement } from './enforcement.ts';
import { authorityProblem, ruledEntries, type Subject } from './registry-authority.ts';
import type { TableKeeper } from './table-keeper.ts';

/** Tries of a change without an expected revision while imports change the registry; each is planned anew. */
const MAX_TRIES = 5;

/** What a change would write, judged by one state. */
export interface PlannedChange {
  readonly entries: readonly CatalogueEntry[];
  /** What the audit record says. */
  readonly what: string;
}

/** Who changes, and the registry revision that the change was made for, if that matters to him. */
export interface ChangeTerms {
  /** The definitions to be changed; this region must have the say in each. */
  readonly subjects: readonly Subject[];
  readonly expectedRevision?: number;
  readonly actor: string;
}

/** What a writer works with. */
export interface RegistryWriterOptions {
  readonly registry: Registry;
  readonly tables: Pick<TableKeeper, 'settle'>;
  readonly enforcement: Enforcement;
}

/** Writes changes of definitions: each is judged by the newest state and committed only while that is still the newest. */
export class RegistryWriter {
  readonly #options: RegistryWriterOptions;

  constructor(options: RegistryWriterOptions) {
    this.#options = options;
  }

  /** The newest state, also of other processes; CONCURRENT_CHANGE where it is not the one expected. */
  async state(expectedRevision?: number): Promise<MeshState> {
    await this.#options.registry.entries();
    const state = this.#options.registry.state();
    if (expectedRevision === undefined || expectedRevision === state.revision) return state;
    const detail = `the registry is at revision ${state.revision}, the change was made for ${expectedRevision}`;
    throw new ProblemError(problem('CONCURRENT_CHANGE', detail));
  }

  /** Plans without writing; throws what writing would. `state` is that of the definitions' home. */
  async plan<Plan extends PlannedChange>(
    plan: (state: MeshState) => Plan,
    { expectedRevision, subjects }: Omit<ChangeTerms, 'actor'>,
  ): Promise<{
    readonly plan: Plan;
    readonly entries: readonly CatalogueEntry[];
    readonly state: MeshState;
  }> {
    const state = await this.state(expectedRevision);
    const entries = await this.#options.registry.entries();
    const refused = authorityProblem(subjects, entries, state);
    if (refused !== undefined) throw new ProblemError(refused);
    // What is decided centrally is planned as in the home that the definitions name.
    const home = subjects.find(subject => subject.home !== state.region)?.home ?? state.region;
    const judged = home === state.region ? state : { ...state, region: home };
    const planned = plan(judged);
    const ruled = ruledEntries(planned.entries, entries, state);
    if (!ruled.ok) throw new ProblemError(ruled.problem);
    return { plan: planned, entries: ruled.value, state: judged };
  }

  /**
   * Plans and commits, then makes tables and waits until the broker enforces it, within a bound. Plans again where another commit
   * came between, unless a revision was expected: then CONCURRENT_CHANGE.
   */
  async write<Plan extends PlannedChange>(
    plan: (state: MeshState) => Plan,
    { expectedRevision, actor, subjects }: ChangeTerms,
  ): Promise<{ readonly plan: Plan; readonly state: MeshState; readonly enforced: boolean }> {
    const { registry, tables, enforcement } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const terms = { subjects, ...(expectedRevision === undefined ? {} : { expectedRevision }) };
      const { plan: planned, entries, state: before } = await this.plan(plan, terms);
      try {
        const state = await registry.commit({
          entries,
          expectedRevision: before.revision,
          actor,
          what: planned.what,
        });
        await tables.settle();
        const enforced = await enforcement.waitFor(state.revision);
        return { plan: planned, state: { ...state, region: before.region }, enforced };
      } catch (error) {
        const raced = error instanceof ProblemError && error.problem.code === 'CONCURRENT_CHANGE';
        if (!raced || expectedRevision !== undefined || attempt >= MAX_TRIES) throw error;
      }
    }
  }
}
