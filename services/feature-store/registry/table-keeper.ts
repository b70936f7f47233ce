import type { CatalogueEntry } from '@featuremesh/domain/catalogue-entry';
import type { MeshState } from '@featuremesh/domain/mesh-state';
import { mayHold, placementOf } from '@featuremesh/domain/placement';
import { ProblemError } from '@featuremesh/domain/problem';
import type { Clock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Timer } from '@featuremesh/runtime/timer';
import type { OnlineStore, TableRef } from '../ports/online-store.ts';
import type { Registry, TablePlacement } from '../ports/registry.ts';
import { CoalescedRun } from './coalesced-run.ts';

/** How often placements are judged without a change of the state: policies begin and end by the clock. */
const RECHECK_MS = 1_000;

/** Tries of one reconciliation while other processes change the registry; each try starts from the newest state. */
const MAX_TRIES = 5;

/** What a keeper works with. */
export interface TableKeeperOptions {
  readonly registry: Registry;
  readonly store: Pick<OnlineStore, 'ensureTables' | 'dropTable' | 'listTables'>;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly logger: Logger;
}

/**
 * Keeps the store's tables equal to the placements: a group version that this region may hold has a table, one that it
 * may not, or whose rows were purged, has none. Coming back raises the generation, so that nothing dropped can hide or return (A3).
 */
export class TableKeeper {
  readonly #options: TableKeeperOptions;
  #tables: ReadonlyMap<string, TableRef> = new Map();
  readonly #attempts = new CoalescedRun(() => this.#attempt());
  /** True until one reconciliation has run to its end; a drop that failed is tried again. */
  #dirty = true;
  #failure: string | undefined;
  #stop: (() => void) | undefined;

  constructor(options: TableKeeperOptions) {
    this.#options = options;
  }

  /** Brings the tables in line once, then keeps them so until `stop`. */
  async start(): Promise<void> {
    await this.settle();
    const unsubscribe = this.#options.registry.onChange(() => void this.settle());
    const recheck = this.#options.timer.every(RECHECK_MS, () => void this.settle());
    this.#stop = () => {
      unsubscribe();
      recheck.stop();
    };
  }

  /** Ends the watching; a running reconciliation finishes. */
  async stop(): Promise<void> {
    this.#stop?.();
    await this.#attempts.ended();
  }

  /** The table that holds a group version here; undefined where this region holds none of it. */
  tableFor(groupId: string, version: number): TableRef | undefined {
    return this.#tables.get(`${groupId}/${version}`);
  }

  /** All tables held. */
  tables(): readonly TableRef[] {
    return [...this.#tables.values()];
  }

  /** Why the tables are not as the placements say; undefined where they are. For readiness. */
  failure(): string | undefined {
    return this.#failure;
  }

  /** Resolves when the tables match the state as it is now, or the attempt failed. At most one attempt runs and one waits. */
  settle(): Promise<void> {
    return this.#attempts.run();
  }

  async #attempt(): Promise<void> {
    const { logger } = this.#options;
    for (let attempt = 1; attempt <= MAX_TRIES; attempt += 1) {
      try {
        await this.#reconcile(this.#options.registry.state());
        this.#failure = undefined;
        return;
      } catch (error) {
        const code = error instanceof ProblemError ? error.problem.code : 'INTERNAL';
        if (code === 'CONCURRENT_CHANGE' && attempt < MAX_TRIES) {
          // Reading the entries makes a registry look for what the other process committed.
          await this.#options.registry.entries();
          continue;
        }
        if (this.#failure !== code) logger.error({ err: error, code }, 'tables do not match the placements');
        this.#failure = code;
        return;
      }
    }
  }

  async #reconcile(state: MeshState): Promise<void> {
    const { registry, store, clock } = this.#options;
    const known = new Map<string, TablePlacement>();
    for (const placement of await registry.tablePlacements()) known.set(placementKey(placement), placement);
    const changed = [
      ...changedPlacements(state, known, clock.nowMs()),
      ...(await this.#forgotten(state, known)),
    ];
    if (changed.length > 0)
      await this.#orPlacedBefore(known, () => registry.saveTablePlacements(changed, state.revision));
    for (const placement of changed) known.set(placementKey(placement), placement);

    const held = heldTables(known);
    if (!this.#dirty && changed.length === 0 && sameTables(held, this.#tables)) return;
    this.#dirty = true;
    const fits = await this.#orPlacedBefore(known, () => this.#hold(held));
    for (const table of await store.listTables()) {
      if (mayDrop(table, known.get(placementKey(table)))) await store.dropTable(table);
    }
    const noted = await this.#noteDropped(known, state.revision);
    // What was dropped may have made room.
    if (!fits) await store.ensureTables([...held.values()]);
    this.#tables = held;
    this.#dirty = !noted;
  }

  /**
   * Writes down when this region had no table any more of what it gave up: what it says of a purge (R3). False where the registry
   * takes nothing now, which keeps no table from being served; it is tried again.
   */
  async #noteDropped(known: ReadonlyMap<string, TablePlacement>, revision: number): Promise<boolean> {
    const { registry, clock } = this.#options;
    const droppedAtMs = clock.nowMs();
    const dropped = [...known.values()].filter(one => !one.held && one.droppedAtMs === undefined);
    if (dropped.length === 0) return true;
    try {
      await registry.saveTablePlacements(
        dropped.map(one => ({ ...one, droppedAtMs })),
        revision,
      );
      return true;
    } catch (error) {
      if (error instanceof ProblemError && error.problem.code === 'REGISTRY_UNAVAILABLE') return false;
      throw error;
    }
  }

  /** False where the store does not take all of them: those that it has, and new ones as far as they fit, are served all the same. */
  async #hold(held: ReadonlyMap<string, TableRef>): Promise<boolean> {
    const { store } = this.#options;
    try {
      await store.ensureTables([...held.values()]);
      this.#tables = held;
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
    }
    const present = new Set((await store.listTables()).map(tableKey));
    const fitting = new Map([...held].filter(([, table]) => present.has(tableKey(table))));
    await store.ensureTables([...fitting.values()]);
    for (const [key, table] of held) {
      if (fitting.has(key)) continue;
      try {
        await store.ensureTables([table]);
      } catch (error) {
        if (!isFull(error)) throw error;
        break;
      }
      fitting.set(key, table);
    }
    this.#tables = fitting;
    return false;
  }

  /**
   * Groups held here that this region may no longer know (C2). What a home outside the roster told is still an entry: a peer that is
   * left out of the configuration for a while costs no rows.
   */
  async #forgotten(
    state: MeshState,
    known: ReadonlyMap<string, TablePlacement>,
  ): Promise<readonly TablePlacement[]> {
    const inState = new Set(state.groups.map(({ id, version }) => placementKey({ groupId: id, version })));
    const missing = [...known].filter(([key, { held }]) => held && !inState.has(key));
    if (missing.length === 0) return [];
    const entries = groupKeysOf(await this.#options.registry.entries());
    return missing.flatMap(([key, placement]) => (entries.has(key) ? [] : [{ ...placement, held: false }]));
  }

  /**
   * While registry or store are away, the tables are those that were placed: rows are taken into the log for them and become readable
   * later (A2), also by a process that has just started.
   */
  async #orPlacedBefore<T>(known: ReadonlyMap<string, TablePlacement>, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const isAway =
        error instanceof ProblemError &&
        (error.problem.code === 'STORE_UNAVAILABLE' || error.problem.code === 'REGISTRY_UNAVAILABLE');
      if (isAway) this.#tables = heldTables(known);
      throw error;
    }
  }
}

function isFull(error: unknown): boolean {
  return error instanceof ProblemError && error.problem.code === 'TABLE_LIMIT';
}

function groupKeysOf(entries: readonly CatalogueEntry[]): ReadonlySet<string> {
  return new Set(
    entries.flatMap(entry =>
      entry.kind === 'group' ? [placementKey({ groupId: entry.group.id, version: entry.group.version })] : [],
    ),
  );
}

function heldTables(known: ReadonlyMap<string, TablePlacement>): ReadonlyMap<string, TableRef> {
  const held = new Map<string, TableRef>();
  for (const [key, placement] of known) if (placement.held) held.set(key, tableOf(placement));
  return held;
}

function changedPlacements(
  state: MeshState,
  known: ReadonlyMap<string, TablePlacement>,
  nowMs: number,
): readonly TablePlacement[] {
  const changed: TablePlacement[] = [];
  for (const group of state.groups) {
    const table = { groupId: group.id, version: group.version };
    const before = known.get(placementKey(table));
    const wanted = mayHold(placementOf(group, state, nowMs), state.region, state.region);
    if (wanted && before?.held !== true)
      changed.push({ ...table, generation: (before?.generation ?? 0) + 1, held: true });
    if (!wanted && before?.held === true) changed.push({ ...before, held: false });
  }
  return changed;
}

/** A table that no placement speaks of yet is another process's, which saw a newer state and is just making it. */
function mayDrop(table: TableRef, placement: TablePlacement | undefined): boolean {
  if (placement === undefined || placement.generation < table.generation) return false;
  return !placement.held || placement.generation > table.generation;
}

const placementKey = (of: { groupId: string; version: number }): string => `${of.groupId}/${of.version}`;

const tableKey = (table: TableRef): string => `${placementKey(table)}/${table.generation}`;

const tableOf = ({ groupId, version, generation }: TablePlacement): TableRef => ({
  groupId,
  version,
  generation,
});

function sameTables(a: ReadonlyMap<string, TableRef>, b: ReadonlyMap<string, TableRef>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, table] of a) if (b.get(key)?.generation !== table.generation) return false;
  return true;
}
