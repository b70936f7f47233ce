import { isDeepStrictEqual } from 'node:util';
import { type CatalogueEntry, type CatalogueView, serialOf } from '@featuremesh/domain/catalogue-entry';
import { listedAs } from '@featuremesh/domain/catalogue-view';
import type { Officer } from '@featuremesh/domain/policy';
import { ProblemError } from '@featuremesh/domain/problem';
import { arbitrate } from '@featuremesh/domain/registry-mode';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Registry, SyncReports } from '../ports/registry.ts';
import { judgeImport, type RefusedEntry } from './entry-import.ts';
import { entryKey } from './entry-key.ts';

/** Tries of one import while others change the registry; each judges the newest state. */
const MAX_TRIES = 5;

/** Refused policies kept to be judged again when more is known; the oldest leaves. */
const MAX_HELD_POLICIES = 64;

/** Refusals remembered for operators. */
const MAX_LISTED = 100;

/**
 * Takes over what peers tell. A policy that lacks approvals for now is held and judged again with the next entries: whether
 * it loosens or tightens depends on groups that may arrive later.
 */
export class EntryImporter {
  readonly #registry: Registry;
  readonly #officers: () => readonly Officer[];
  readonly #clock: Clock;
  readonly #logger: Logger;
  #listed: readonly RefusedEntry[] = [];

  constructor(options: {
    registry: Registry;
    officers: () => readonly Officer[];
    clock: Clock;
    logger: Logger;
  }) {
    this.#clock = options.clock;
    this.#registry = options.registry;
    this.#officers = options.officers;
    this.#logger = options.logger;
  }

  /** Judges and keeps entries of one peer; what is refused is logged, listed and returned, the rest is committed at once. */
  async take(peer: string, entries: readonly CatalogueEntry[]): Promise<readonly RefusedEntry[]> {
    const told = new Set(entries.map(entryKey));
    const held = this.#held()
      .filter(one => one.peer === peer && !told.has(entryKey(one.entry)))
      .map(({ entry }) => entry);
    for (let attempt = 1; ; attempt += 1) {
      const known = await this.#registry.entries();
      const state = this.#registry.state();
      const policies = known.flatMap(entry => (entry.kind === 'policy' ? [entry.policy] : []));
      const judged = judgeImport([...held, ...entries], {
        peer,
        state,
        policies,
        modes: arbitrate(known).modes,
        officers: this.#officers(),
        nowMs: this.#clock.nowMs(),
      });
      try {
        await this.#registry.commit({
          entries: judged.accepted,
          expectedRevision: state.revision,
          actor: `peer ${peer}`,
          what: `import ${judged.accepted.length} entries`,
        });
        await this.#remember(peer, judged.accepted, judged.refused);
        return judged.refused;
      } catch (error) {
        const raced = error instanceof ProblemError && error.problem.code === 'CONCURRENT_CHANGE';
        if (!raced || attempt >= MAX_TRIES) throw error;
      }
    }
  }

  /** The last refusals, oldest first. */
  refused(): readonly RefusedEntry[] {
    return this.#listed;
  }

  async #views(): Promise<ReadonlyMap<string, CatalogueView>> {
    const entries = await this.#registry.entries();
    return new Map(
      entries.flatMap(entry => (entry.kind === 'view' ? [[entry.home, entry.view] as const] : [])),
    );
  }

  #held(): NonNullable<SyncReports['held']> {
    return this.#registry.reports().held ?? [];
  }

  async #remember(
    peer: string,
    accepted: readonly CatalogueEntry[],
    refused: readonly RefusedEntry[],
  ): Promise<void> {
    const before = this.#held();
    const held = new Map(before.map(one => [entryKey(one.entry), one]));
    for (const entry of accepted) held.delete(entryKey(entry));
    for (const one of refused) {
      const key = entryKey(one.entry);
      const again = isDeepStrictEqual(held.get(key)?.entry, one.entry);
      if (one.problem.code === 'POLICY_NOT_APPROVED') held.set(key, { peer, entry: one.entry });
      else held.delete(key);
      if (!again) this.#report(peer, one);
    }
    const views = await this.#views();
    const known = ({ home }: CatalogueEntry, serial: number): boolean => {
      const view = views.get(home);
      return view === undefined || listedAs(view, serial) === 'full';
    };
    this.#listed = this.#listed.filter(({ entry }) => known(entry, serialOf(entry)));
    const kept = [...held.values()]
      .filter(({ entry }) => known(entry, serialOf(entry)))
      .slice(-MAX_HELD_POLICIES);
    if (!isDeepStrictEqual(kept, before)) await this.#registry.saveReport({ held: kept });
  }

  #report(peer: string, refused: RefusedEntry): void {
    this.#listed = [...this.#listed, refused].slice(-MAX_LISTED);
    const { kind, name, problem } = refused;
    this.#logger.warn(
      { peer, kind, name, code: problem.code, detail: problem.detail, security: true },
      'an entry of a peer is refused',
    );
  }
}
