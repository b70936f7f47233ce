import type { SyncStatus } from '@featuremesh/contracts/admin-regions';
import { type LinkStatus, linkStatusSchema } from '@featuremesh/contracts/link-status';
import type { CatalogueGroup } from '@featuremesh/domain/feature-group';
import { mayHold, placementOf } from '@featuremesh/domain/placement';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { Clock } from '@featuremesh/runtime/clock';
import type { OnlineStore, TableRef } from '../ports/online-store.ts';
import type { Registry } from '../ports/registry.ts';
import { importsWatermark } from './applied-names.ts';
import { NO_STEP } from './replay-step.ts';

/** A group version. */
export interface RefilledGroup {
  readonly groupId: string;
  readonly version: number;
}

/** What the sync agent asks and tells of a store that is rebuilt from peers. */
export interface RefillDesk {
  owed(peer: string): readonly RefilledGroup[];
  filled(report: RefilledGroup & { peer: string; throughSequence: number }): Promise<boolean>;
}

/** What was in the tables when they were last counted, by `tableKey`; outlives the store. */
export interface StoreCounts {
  read(): Promise<Readonly<Record<string, number>>>;
  save(counts: Readonly<Record<string, number>>): Promise<void>;
}

/** What a refill works with. */
export interface StoreRefillOptions {
  readonly store: Pick<OnlineStore, 'apply' | 'watermark' | 'countRows'>;
  readonly registry: Pick<Registry, 'state' | 'tablePlacements' | 'reports'>;
  readonly counts: StoreCounts;
  readonly clock: Clock;
}

/**
 * How long a region that lost a group waits for its first snapshot, with every holder reachable, until it gives others what its own log
 * had: a holder that is whole begins to send within seconds, so all of them have lost theirs, and each waits for another.
 */
const MUTUAL_WAIT_MS = 60_000;

/** Watermark of a store of which anything was ever owed: of all others nothing more is asked. */
const EVER_OWED = 'refills';

/** Values of a watermark `refill/…`: they only rise, so that a snapshot that has come is never awaited again. */
const OWED = 1;
const FILLED = 2;

const tableKey = ({ groupId, version }: RefilledGroup): string => `${groupId}/${version}`;
const refillWatermark = (group: RefilledGroup, peer: string): string => `refill/${tableKey(group)}/${peer}`;
/** Rows that a table held before the store was lost, where no peer holds them, or all have lost theirs as well. */
const heldWatermark = (group: RefilledGroup): string => `held/${tableKey(group)}`;

interface Awaited {
  readonly group: RefilledGroup;
  readonly peers: readonly RegionId[];
  /** False where what has come is all that can be had now: it is read, and the rest is taken when it comes. */
  readonly isBlocked: boolean;
  /** True until one peer's snapshot is here. */
  readonly isEmpty: boolean;
}

/** What `/v1/admin/sync` says of a store that was lost. */
export type RebuildState = NonNullable<SyncStatus['rebuild']>;

/**
 * What of a lost store its log has forgotten: of a replicated group every peer that holds it sends a snapshot, and the group is not read
 * before those have come that can be reached, one at least; of another group nobody has the rows, so it is said how many. Regions that
 * have all lost a group give each other what their logs had, after a stated time. What is awaited stands in the store itself and is
 * shared by the region's processes.
 */
export class StoreRefill implements RefillDesk {
  readonly #options: StoreRefillOptions;
  #awaited: ReadonlyMap<string, Awaited> = new Map();
  #lost: readonly RefilledGroup[] = [];
  #feedEpoch: string | undefined;
  /** Since when all that could send a group are reachable, and none has; by `tableKey`. */
  #waitingSinceMs: ReadonlyMap<string, number> = new Map();

  constructor(options: StoreRefillOptions) {
    this.#options = options;
  }

  /** True where the group must not be read yet. */
  awaits(table: TableRef): boolean {
    return this.#awaited.size > 0 && this.#awaited.get(tableKey(table))?.isBlocked === true;
  }

  /** True where the group must not be given to others as a snapshot yet: later than `awaits`, so that regions which lost theirs help each other. */
  isEmpty(table: TableRef): boolean {
    return this.#awaited.get(tableKey(table))?.isEmpty === true;
  }

  /** True while anything is awaited. */
  get isPending(): boolean {
    return this.#awaited.size > 0;
  }

  /** Notes, before the store counts as whole, what the log cannot give back. Repeating it changes nothing. */
  async begin(): Promise<void> {
    const { store, registry, counts } = this.#options;
    const before = await counts.read();
    await store.apply({ ...NO_STEP, watermark: { name: EVER_OWED, sequence: 1 } });
    for (const table of await registry.tablePlacements()) {
      if (!table.held) continue;
      const peers = this.#holders(table);
      const rows = before[tableKey(table)] ?? 0;
      const marks = peers.map(peer => ({ name: refillWatermark(table, peer), sequence: OWED }));
      if (peers.length === 0 && rows > 0) marks.push({ name: heldWatermark(table), sequence: rows });
      for (const watermark of marks) await store.apply({ ...NO_STEP, watermark });
    }
  }

  /** Reads what is awaited and lost, as the store and the agent's reports say now. */
  async look(feedEpoch?: string): Promise<void> {
    const { store, registry, clock } = this.#options;
    this.#feedEpoch = feedEpoch ?? this.#feedEpoch;
    if ((await store.watermark(EVER_OWED)) === 0) return;
    const reachable = new Set<string>(reachablePeers(registry.reports().links?.links ?? []));
    const awaited = new Map<string, Awaited>();
    const waitingSinceMs = new Map<string, number>();
    const lost: RefilledGroup[] = [];
    for (const { groupId, version, held } of await registry.tablePlacements()) {
      const group = { groupId, version };
      if (!held) continue;
      const owing: RegionId[] = [];
      let hasOne = false;
      // A peer that left the placement, or the mesh, has nothing to send any more.
      for (const peer of this.#holders(group)) {
        const mark = await store.watermark(refillWatermark(group, peer));
        if (mark === FILLED) hasOne = true;
        else if (mark === OWED) owing.push(peer);
      }
      const isBlocked = !hasOne || owing.some(peer => reachable.has(peer));
      let isEmpty = !hasOne;
      if (isEmpty && owing.length > 0 && owing.every(peer => reachable.has(peer))) {
        const sinceMs = this.#waitingSinceMs.get(tableKey(group)) ?? clock.nowMs();
        waitingSinceMs.set(tableKey(group), sinceMs);
        isEmpty = clock.nowMs() - sinceMs < MUTUAL_WAIT_MS;
        if (!isEmpty) await this.#noteLost(group);
      }
      if (owing.length > 0) awaited.set(tableKey(group), { group, peers: owing, isBlocked, isEmpty });
      if ((await store.watermark(heldWatermark(group))) > 0) lost.push(group);
    }
    this.#awaited = awaited;
    this.#waitingSinceMs = waitingSinceMs;
    this.#lost = lost;
  }

  owed(peer: string): readonly RefilledGroup[] {
    return [...this.#awaited.values()]
      .filter(({ peers }) => peers.some(id => id === peer))
      .map(({ group }) => group);
  }

  async filled({
    peer,
    groupId,
    version,
    throughSequence,
  }: RefilledGroup & { peer: string; throughSequence: number }): Promise<boolean> {
    const { store } = this.#options;
    if (this.#feedEpoch === undefined) return false;
    if ((await store.watermark(importsWatermark(this.#feedEpoch))) < throughSequence) return false;
    const name = refillWatermark({ groupId, version }, peer);
    // Only what is owed: another process's report, or one of before, must not make a mark.
    if ((await store.watermark(name)) === OWED)
      await store.apply({ ...NO_STEP, watermark: { name, sequence: FILLED } });
    await this.look();
    return true;
  }

  /** What is awaited from whom, and how many rows nobody has any more; undefined where it is nothing. */
  async state(): Promise<RebuildState | undefined> {
    const awaited = [...this.#awaited.values()].map(({ group, peers }) => ({
      ...this.#named(group),
      peers: [...peers],
    }));
    const lost: RebuildState['lost'] = [];
    for (const group of this.#lost) {
      const rows = await this.#lostRows(group);
      if (rows > 0) lost.push({ ...this.#named(group), rows });
    }
    return awaited.length === 0 && lost.length === 0 ? undefined : { awaited, lost };
  }

  /** Keeps how many rows the tables hold, for the case that the store is lost; of one that cannot be counted what was counted before. */
  async count(): Promise<void> {
    const { store, registry, counts } = this.#options;
    const before = await counts.read();
    const rows: Record<string, number> = {};
    for (const table of await registry.tablePlacements()) {
      if (!table.held) continue;
      const count = await store.countRows(table).catch(() => before[tableKey(table)]);
      if (count !== undefined) rows[tableKey(table)] = count;
    }
    await counts.save(rows);
  }

  /** What was counted before the loss; what comes from others all the same is taken off where it is told. */
  async #noteLost(group: RefilledGroup): Promise<void> {
    const { store, counts } = this.#options;
    const rows = (await counts.read())[tableKey(group)] ?? 0;
    if (rows === 0 || (await store.watermark(heldWatermark(group))) > 0) return;
    await store.apply({ ...NO_STEP, watermark: { name: heldWatermark(group), sequence: rows } });
  }

  async #lostRows(group: RefilledGroup): Promise<number> {
    const { store, registry } = this.#options;
    const table = (await registry.tablePlacements()).find(
      ({ groupId, version, held }) => held && groupId === group.groupId && version === group.version,
    );
    if (table === undefined) return 0;
    const before = await store.watermark(heldWatermark(group));
    return Math.max(0, before - (await store.countRows(table)));
  }

  #named({ groupId, version }: RefilledGroup): { group: string; version: number } {
    const definition = this.#groupOf({ groupId, version })?.definition;
    const group = definition === undefined ? groupId : `${definition.homeRegion}/${definition.name}`;
    return { group, version };
  }

  #groupOf({ groupId, version }: RefilledGroup): CatalogueGroup | undefined {
    const { groups } = this.#options.registry.state();
    return groups.find(group => group.id === groupId && group.version === version);
  }

  /** Peers that hold what this region held: none of a group whose rows stay where they were accepted. */
  #holders(group: RefilledGroup): readonly RegionId[] {
    const { registry, clock } = this.#options;
    const known = this.#groupOf(group);
    if (known === undefined) return [];
    const state = registry.state();
    const placement = placementOf(known, state, clock.nowMs());
    if (!placement.replicated || !mayHold(placement, state.region, state.region)) return [];
    return state.regions
      .map(({ id }) => id)
      .filter(id => id !== state.region && mayHold(placement, id, state.region));
  }
}

function reachablePeers(links: readonly unknown[]): readonly string[] {
  return links.flatMap(link => {
    const parsed = linkStatusSchema.safeParse(link);
    const status: LinkStatus | undefined = parsed.success ? parsed.data : undefined;
    return status?.direction === 'in' && status.connected ? [status.peer] : [];
  });
}
