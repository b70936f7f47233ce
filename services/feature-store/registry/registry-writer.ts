import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Registry } from '../ports/registry.ts';
import type { Enforcement } from './enforcement.ts';
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

  /**
   * Plans and commits, then makes tables and waits until the broker enforces it, within a bound. Plans again where another commit
   * came between, unless a revision was expected: then CONCURRENT_CHANGE.
   */
  async write<Plan extends PlannedChange>(
    plan: (state: MeshState) => Plan,
    { expectedRevision, actor }: ChangeTerms,
  ): Promise<{ readonly plan: Plan; readonly state: MeshState; readonly enforced: boolean }> {
    const { registry, tables, enforcement } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const before = await this.state(expectedRevision);
      const planned = plan(before);
      try {
        const state = await registry.commit({
          entries: planned.entries,
          expectedRevision: before.revision,
          actor,
          what: planned.what,
        });
        await tables.settle();
        return { plan: planned, state, enforced: await enforcement.waitFor(state.revision) };
      } catch (error) {
        const raced = error instanceof ProblemError && error.problem.code === 'CONCURRENT_CHANGE';
        if (!raced || expectedRevision !== undefined || attempt >= MAX_TRIES) throw error;
      }
    }
  }
}
