import { overlay } from '@featuremesh/runtime/overlay';
import type { OnlineStore } from '../ports/online-store.ts';
import type { ObserverParts } from './observed-log.ts';

/** A store whose steps are timed; where tracing is on, its reads and steps are spans of the request that they belong to. */
export function observedStore<Store extends OnlineStore>(
  store: Store,
  { metrics, clock, tracing }: ObserverParts,
): Store {
  const apply: OnlineStore['apply'] = async step => {
    const startedMs = clock.monotonicMs();
    const outcome = await store.apply(step);
    metrics.observe('featuremesh_apply_seconds', {}, (clock.monotonicMs() - startedMs) / 1_000);
    if (outcome.older > 0) metrics.count('featuremesh_rows_older_total', {}, outcome.older);
    return outcome;
  };
  if (tracing === undefined) return overlay(store, { apply } as Partial<Store>);
  const traced: Pick<OnlineStore, 'apply' | 'read'> = {
    apply: step =>
      tracing.inside(
        'store.apply',
        { 'featuremesh.group': step.table.groupId, 'featuremesh.rows': step.rows.length },
        () => apply(step),
      ),
    read: (table, keys) =>
      tracing.inside(
        'store.read',
        {
          'featuremesh.group': table.groupId,
          'featuremesh.version': table.version,
          'featuremesh.rows': keys.length,
        },
        () => store.read(table, keys),
      ),
  };
  return overlay(store, traced as Partial<Store>);
}
