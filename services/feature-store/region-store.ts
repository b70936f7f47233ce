import type { RegionConfig } from '@featuremesh/contracts/region-config';
import { systemClock } from '@featuremesh/runtime/clock';
import type { Health } from '@featuremesh/runtime/health';
import type { Lifecycle } from '@featuremesh/runtime/lifecycle';
import type { Logger } from '@featuremesh/runtime/logger';
import { systemTimer } from '@featuremesh/runtime/timer';
import { StoreRebuild } from './ingest/store-rebuild.ts';
import { type StoreCounts, StoreRefill } from './ingest/store-refill.ts';
import type { OnlineStore, RowVisits } from './ports/online-store.ts';
import type { Registry } from './ports/registry.ts';
import type { StampBounds } from './ports/stamp-bounds.ts';
import type { StoreCopies } from './ports/store-copies.ts';
import type { ObserverParts } from './telemetry/observed-log.ts';
import { observedStore } from './telemetry/observed-store.ts';

/** How often readiness is judged. */
export const HEALTH_EVERY_MS = 250;

/** Between two counts of all rows: LMDB knows them, Cassandra reads every one. */
const COUNT_EVERY_MS = { lmdb: 10_000, cassandra: 3_600_000 };

/** Said by readiness and in the log while the process ends. */
const STORE_REPLACED = 'the online store was lost and made anew; this process ends, to begin on it';

const machine = { clock: systemClock, timer: systemTimer };

/** The online store of either kind. Only one on this machine gives rows without waiting; only one on several nodes keeps copies. */
type AnyStore = OnlineStore & StampBounds & Partial<RowVisits> & Partial<StoreCopies>;

/** A store that was opened. `elsewhere`: what is known of one that is not on this machine, and comes and goes. */
export interface OpenedStore {
  readonly store: AnyStore;
  readonly elsewhere?: { failure(): string | undefined; isReplaced(): boolean };
}

/** The region's online store, which is read only while it holds what the log holds. */
export interface RegionStore {
  readonly store: AnyStore;
  readonly rebuild: StoreRebuild;
  readonly refill: StoreRefill;
}

/** What is made of an opened store. `warning`: what others who work on it have to say to an operator. */
export interface RegionStoreOptions extends OpenedStore {
  readonly kind: RegionConfig['store']['type'];
  readonly counts: StoreCounts;
  readonly registry: Registry;
  readonly lifecycle: Lifecycle;
  readonly health: Health;
  readonly logger: Logger;
  readonly observer: ObserverParts;
  readonly warning: () => string | undefined;
}

/** Looks whether an opened store is whole, and says from then on in readiness how it stands. */
export async function overOpenedStore(options: RegionStoreOptions): Promise<RegionStore> {
  const { kind, elsewhere, counts, registry, lifecycle, health, logger, observer } = options;
  health.notReady('store', 'starting');
  const store = observedStore(options.store, observer);
  const refill = new StoreRefill({ store, registry, counts, clock: systemClock });
  const rebuild = await StoreRebuild.over(
    { store, refill, ...machine, logger, countEveryMs: COUNT_EVERY_MS[kind] },
    lifecycle.signal,
  );
  const judge = systemTimer.every(HEALTH_EVERY_MS, () => {
    if (elsewhere?.isReplaced()) lifecycle.fail(STORE_REPLACED);
    const reason = elsewhere?.failure() ?? rebuild.notReady();
    const warnings = [rebuild.warning(), options.warning()].filter(text => text !== undefined);
    if (reason === undefined) health.ready('store', warnings.join('; ') || undefined);
    else health.notReady('store', reason);
  });
  lifecycle.onStop('store health', () => judge.stop());
  return { store: rebuild.guard(store), rebuild, refill };
}
