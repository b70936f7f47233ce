import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { ProblemError, problem } from '@featuremesh/domain/problem';
import type { Clock } from '@featuremesh/runtime/clock';
import type { AuditRecord, Registry, SyncReports, TablePlacement } from '../ports/registry.ts';
import type { RegistryCopy } from '../ports/registry-copies.ts';
import { entryKey } from './entry-key.ts';
import { buildMeshState, type RegionRoster } from './mesh-state-builder.ts';

/** What nothing can be changed in says so. */
export function registryUnavailable(cause?: unknown): ProblemError {
  const detail =
    'the registry cannot be written; known versions are served, and definitions wait until it can';
  return new ProblemError(problem('REGISTRY_UNAVAILABLE', detail), { cause });
}

/**
 * The registry as it was, in memory, while the real one cannot be had: definitions and policies can be read and not changed. What
 * expires unless it is renewed, confirmations of policies and reports, is kept in memory, so that serving goes on.
 */
export class FrozenRegistry implements Registry {
  readonly copy: RegistryCopy;
  readonly #roster: RegionRoster;
  readonly #clock: Clock;
  readonly #listeners = new Set<(state: MeshState) => void>();
  #confirmedAtMs: Readonly<Record<string, number>>;
  #reports: SyncReports;
  #state: MeshState;

  constructor(options: { copy: RegistryCopy; roster: RegionRoster; clock: Clock; reports?: SyncReports }) {
    this.copy = options.copy;
    this.#roster = options.roster;
    this.#clock = options.clock;
    this.#confirmedAtMs = options.copy.confirmedAtMs;
    this.#reports = options.reports ?? {};
    this.#state = this.#build();
  }

  state(): MeshState {
    return this.#state;
  }

  entries(): Promise<readonly CatalogueEntry[]> {
    return Promise.resolve(this.copy.entries);
  }

  commit(): Promise<MeshState> {
    return Promise.reject(registryUnavailable());
  }

  tablePlacements(): Promise<readonly TablePlacement[]> {
    return Promise.resolve(this.copy.tables);
  }

  saveTablePlacements(): Promise<void> {
    return Promise.reject(registryUnavailable());
  }

  confirmPolicy(home: string, epoch: number, atMs: number): Promise<void> {
    if (epoch !== (this.#state.policyEpochs[home] ?? 0)) return Promise.resolve();
    this.#confirmedAtMs = { ...this.#confirmedAtMs, [home]: atMs };
    this.#state = this.#build();
    for (const listener of this.#listeners) listener(this.#state);
    return Promise.resolve();
  }

  onChange(listener: (state: MeshState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  saveReport(report: SyncReports): Promise<void> {
    this.#reports = { ...this.#reports, ...report };
    return Promise.resolve();
  }

  reports(): SyncReports {
    return this.#reports;
  }

  audit(): Promise<readonly AuditRecord[]> {
    const { lastAudit } = this.copy;
    return Promise.resolve(lastAudit === undefined ? [] : [lastAudit]);
  }

  close(): Promise<void> {
    this.#listeners.clear();
    return Promise.resolve();
  }

  #build(): MeshState {
    const { revision, ownSequence, entries } = this.copy;
    const byKey = new Map(entries.map(entry => [entryKey(entry), entry]));
    const image = { revision, ownSequence, entries: byKey, confirmedAtMs: this.#confirmedAtMs };
    return buildMeshState(image, this.#roster, this.#clock.nowMs());
  }
}
