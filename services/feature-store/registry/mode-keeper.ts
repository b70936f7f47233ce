import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import { ProblemError } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import { takeOver } from '@featuremesh/domain/registry-mode';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Registry } from '../ports/registry.ts';
import { CoalescedRun } from './coalesced-run.ts';

/** Tries of one step while others change the registry; the next change of the registry begins another. */
const MAX_TRIES = 5;

/**
 * Follows decisions about who accepts definitions: tells them on, so that a region which hears of one only through a third hears of it,
 * and takes over what this region has the say in. Several processes may do so at once: a commit is for one revision.
 */
export class ModeKeeper {
  readonly #registry: Registry;
  readonly #region: RegionId;
  readonly #logger: Logger;
  readonly #attempts = new CoalescedRun(() => this.#attempt());
  #stop: (() => void) | undefined;

  constructor(options: { readonly registry: Registry; readonly region: RegionId; readonly logger: Logger }) {
    this.#registry = options.registry;
    this.#region = options.region;
    this.#logger = options.logger;
  }

  /** Does what is due and goes on at every change until `stop`. */
  async start(): Promise<void> {
    await this.settle();
    this.#stop = this.#registry.onChange(() => void this.settle());
  }

  stop(): Promise<void> {
    this.#stop?.();
    return this.#attempts.ended();
  }

  /** Resolves when nothing is due for the registry as it is now, or the attempt failed. */
  settle(): Promise<void> {
    return this.#attempts.run();
  }

  async #attempt(): Promise<void> {
    for (let attempt = 1; attempt <= MAX_TRIES; attempt += 1) {
      try {
        const entries = await this.#registry.entries();
        const { revision } = this.#registry.state();
        const due = this.#due(entries);
        if (due.length === 0) return;
        await this.#registry.commit({
          entries: due,
          expectedRevision: revision,
          actor: 'registry mode',
          what: `take over ${due.filter(({ kind }) => kind !== 'take-over' && kind !== 'registry-mode').length} definitions`,
        });
        return;
      } catch (error) {
        const raced = error instanceof ProblemError && error.problem.code === 'CONCURRENT_CHANGE';
        if (raced) continue;
        this.#logger.error({ err: error }, 'a decision about registries could not be followed');
        return;
      }
    }
  }

  #due(entries: readonly CatalogueEntry[]): readonly CatalogueEntry[] {
    if (!entries.some(({ kind }) => kind === 'registry-mode')) return [];
    const own = new Set(
      entries.flatMap(entry =>
        entry.kind === 'registry-mode' && entry.home === this.#region && entry.record.approved
          ? [entry.record.hash]
          : [],
      ),
    );
    const heard = entries.flatMap(entry =>
      entry.kind === 'registry-mode' && entry.record.approved && !own.has(entry.record.hash)
        ? [entry.record]
        : [],
    );
    const distinct = new Map(heard.map(record => [record.hash, record]));
    const told: CatalogueEntry[] = [...distinct.values()].map(record => ({
      kind: 'registry-mode',
      home: this.#region,
      sequence: 0,
      record,
    }));
    return [...told, ...takeOver(this.#region, entries)];
  }
}
