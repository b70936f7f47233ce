import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { ProblemError } from '@featuremesh/domain/problem';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Repetition, Timer } from '@featuremesh/runtime/timer';
import type { AuditRecord, Registry, SyncReports, TablePlacement } from '../ports/registry.ts';
import type { CopiedRegistry, RegistryCopies, RegistryCopy } from '../ports/registry-copies.ts';
import { FrozenRegistry, registryUnavailable } from './frozen-registry.ts';
import type { RegionRoster } from './mesh-state-builder.ts';

/** Between two looks at the registry, and two tries to open one that failed. */
const LOOK_EVERY_MS = 1_000;

/** What a steady registry works with; `open` may throw, and gives a registry that was lost its content back from the copy. */
export interface SteadyRegistryOptions {
  readonly open: (lost: RegistryCopy | undefined) => CopiedRegistry;
  readonly copies: RegistryCopies;
  readonly roster: RegionRoster;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly logger: Logger;
}

type Current =
  | { readonly kind: 'open'; readonly registry: CopiedRegistry }
  | { readonly kind: 'frozen'; readonly registry: FrozenRegistry; readonly reason: string };

/**
 * A region's registry that known versions never wait for. A commit is answered when a copy of it is kept as well; where the registry
 * is lost it is made again from that, and where it cannot be opened or written the copy is served, unchangeable, until it can (F1).
 */
export class SteadyRegistry implements Registry {
  readonly #options: SteadyRegistryOptions;
  readonly #listeners = new Set<(state: MeshState) => void>();
  readonly #looking: Repetition;
  #current: Current;
  #unsubscribe: () => void = () => undefined;
  #saving: Promise<void> = Promise.resolve();
  #copied = -1;
  #copyFailed = false;
  #wasRestored = false;

  private constructor(options: SteadyRegistryOptions, current: Current) {
    this.#options = options;
    this.#current = current;
    this.#attach(current);
    this.#looking = options.timer.every(LOOK_EVERY_MS, () => this.#look());
  }

  /** Opens the registry, else its copy; rejects as opening does where there is neither. */
  static async open(options: SteadyRegistryOptions): Promise<SteadyRegistry> {
    const copy = await options.copies.newest();
    let current: Current;
    try {
      current = { kind: 'open', registry: opened(options, copy) };
    } catch (error) {
      if (copy === undefined) throw error;
      current = frozen(options, copy, error);
    }
    const registry = new SteadyRegistry(options, current);
    if (current.kind === 'open') await registry.#save();
    return registry;
  }

  /** What an operator should know though versions are served, for readiness; undefined where all is well. */
  warning(): string | undefined {
    if (this.#current.kind === 'frozen')
      return `${this.#current.reason}; known versions are served from a copy, definitions and policies cannot be changed`;
    if (this.#copyFailed)
      return 'no copy of the registry can be kept; if it is lost now it is not made again';
    return this.#wasRestored ? 'the registry was lost and was made again from its copy' : undefined;
  }

  /** It does not open without content to serve. */
  readonly hasState = true;

  state(): MeshState {
    return this.#current.registry.state();
  }

  entries(): Promise<readonly CatalogueEntry[]> {
    return this.#current.registry.entries();
  }

  async commit(change: Parameters<Registry['commit']>[0]): Promise<MeshState> {
    const state = await this.#write(registry => registry.commit(change));
    await this.#save();
    return state;
  }

  tablePlacements(): Promise<readonly TablePlacement[]> {
    return this.#current.registry.tablePlacements();
  }

  async saveTablePlacements(placements: readonly TablePlacement[], expectedRevision?: number): Promise<void> {
    await this.#write(registry => registry.saveTablePlacements(placements, expectedRevision));
    await this.#save('also where the revision is the same');
  }

  confirmPolicy(home: string, epoch: number, atMs: number): Promise<void> {
    return this.#keep(registry => registry.confirmPolicy(home, epoch, atMs));
  }

  onChange(listener: (state: MeshState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  saveReport(report: SyncReports): Promise<void> {
    return this.#keep(registry => registry.saveReport(report));
  }

  reports(): SyncReports {
    return this.#current.registry.reports();
  }

  audit(limit: number): Promise<readonly AuditRecord[]> {
    return this.#current.registry.audit(limit);
  }

  async close(): Promise<void> {
    this.#looking.stop();
    this.#unsubscribe();
    this.#listeners.clear();
    await this.#saving;
    await this.#current.registry.close();
  }

  /** What must be kept for good: refused where it cannot be. */
  async #write<T>(act: (registry: Registry) => Promise<T>): Promise<T> {
    try {
      return await act(this.#current.registry);
    } catch (error) {
      if (error instanceof ProblemError) throw error;
      await this.#freeze(error);
      throw registryUnavailable(error);
    }
  }

  /** What is renewed all the time: kept in memory where it cannot be written. */
  async #keep(act: (registry: Registry) => Promise<void>): Promise<void> {
    try {
      await act(this.#current.registry);
    } catch (error) {
      if (error instanceof ProblemError) throw error;
      await this.#freeze(error);
      await act(this.#current.registry);
    }
  }

  async #look(): Promise<void> {
    const current = this.#current;
    if (current.kind === 'frozen') return this.#reopen(current);
    const failure = current.registry.failure();
    if (failure !== undefined) return this.#freeze(failure);
    // Another process may have changed it.
    return this.#save();
  }

  async #freeze(failure: unknown): Promise<void> {
    const current = this.#current;
    if (current.kind === 'frozen') return;
    const copy = copyOf(current.registry) ?? (await this.#options.copies.newest());
    if (copy === undefined) throw failure;
    this.#attach(frozen(this.#options, copy, failure, reportsOf(current.registry)));
    await current.registry.close().catch(() => undefined);
  }

  async #reopen(current: Extract<Current, { kind: 'frozen' }>): Promise<void> {
    let registry: CopiedRegistry;
    try {
      registry = opened(this.#options, current.registry.copy);
    } catch {
      // Said already; an operator mends it.
      return;
    }
    this.#options.logger.warn({ restored: registry.wasRestored }, 'the registry can be used again');
    this.#attach({ kind: 'open', registry });
    for (const listener of this.#listeners) listener(registry.state());
    await this.#save('also where the revision is the same');
  }

  #attach(current: Current): void {
    this.#unsubscribe();
    this.#current = current;
    if (current.kind === 'open' && current.registry.wasRestored) this.#wasRestored = true;
    this.#unsubscribe = current.registry.onChange(state => {
      for (const listener of this.#listeners) listener(state);
    });
  }

  /** Keeps a copy where the registry changed since the last; one after the other. */
  #save(always?: 'also where the revision is the same'): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      const { copies, logger } = this.#options;
      const current = this.#current;
      if (current.kind === 'frozen') return;
      const { revision } = current.registry.state();
      if (revision === this.#copied && always === undefined && !this.#copyFailed) return;
      try {
        await copies.save(current.registry.copy());
        this.#copied = revision;
        this.#copyFailed = false;
      } catch (error) {
        if (!this.#copyFailed) logger.error({ err: error }, 'no copy of the registry can be kept');
        this.#copyFailed = true;
      }
    });
    return this.#saving;
  }
}

function opened({ open, logger }: SteadyRegistryOptions, copy: RegistryCopy | undefined): CopiedRegistry {
  const registry = open(copy);
  try {
    registry.probe();
  } catch (error) {
    void registry.close().catch(() => undefined);
    throw error;
  }
  if (registry.wasRestored)
    logger.warn(
      { revision: copy?.revision },
      'the registry was lost; it is made again from its copy, without its older audit records',
    );
  return registry;
}

function frozen(
  { roster, clock, logger }: SteadyRegistryOptions,
  copy: RegistryCopy,
  failure: unknown,
  reports: SyncReports = {},
): Current {
  const reason = reasonOf(failure);
  logger.error(
    { err: failure, revision: copy.revision },
    'the registry cannot be used; known versions are served from a copy',
  );
  return { kind: 'frozen', registry: new FrozenRegistry({ copy, roster, clock, reports }), reason };
}

function reasonOf(failure: unknown): string {
  if (typeof failure === 'string') return failure;
  if (failure instanceof ProblemError) return failure.problem.detail;
  return 'the registry cannot be opened or written (see the log)';
}

function copyOf(registry: CopiedRegistry): RegistryCopy | undefined {
  try {
    return registry.copy();
  } catch {
    return undefined;
  }
}

function reportsOf(registry: CopiedRegistry): SyncReports {
  try {
    return registry.reports();
  } catch {
    return {};
  }
}
