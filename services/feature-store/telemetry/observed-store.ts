import { overlay } from '@featuremesh/runtime/overlay';
import type { SpanAttributes } from '@featuremesh/runtime/span-catalogue';
import type { Tracing } from '@featuremesh/runtime/tracing';
import type { OnlineStore, RowVisits, TableRef } from '../ports/online-store.ts';
import type { ObserverParts } from './observed-log.ts';

/** A store whose steps are timed; where tracing is on, its reads and steps are spans of the request that they belong to. */
export function observedStore<Store extends OnlineStore & Partial<RowVisits>>(
  store: Store,
  { metrics, clock, tracing }: ObserverParts,
): Store {
  const apply: OnlineStore['apply'] = async step => {
    const startedMs = clock.monotonicMs();
    const outcome = await store.apply(step);
    metrics.observe('featuremesh_apply_seconds', {}, (clock.monotonicMs() - startedMs) / 1_000);
    if (step.rows.length > 0) {
      const name = step.everywhere
        ? 'featuremesh_rows_applied_again_total'
        : 'featuremesh_rows_applied_total';
      metrics.count(name, {}, step.rows.length);
    }
    if (outcome.older > 0) metrics.count('featuremesh_rows_older_total', {}, outcome.older);
    return outcome;
  };
  const replaced: Partial<OnlineStore & RowVisits> =
    tracing === undefined ? { apply } : traced(store, apply, tracing);
  return overlay(store, replaced as Partial<Store>);
}

function traced(
  store: OnlineStore & Partial<RowVisits>,
  apply: OnlineStore['apply'],
  tracing: Tracing,
): Partial<OnlineStore & RowVisits> {
  const { visit } = store;
  return {
    apply: step =>
      tracing.inside(
        'store.apply',
        { 'featuremesh.group': step.table.groupId, 'featuremesh.rows': step.rows.length },
        () => apply(step),
      ),
    read: (table, keys, options) =>
      tracing.inside('store.read', reading(table, keys), () => store.read(table, keys, options)),
    ...(visit === undefined
      ? {}
      : {
          visit: (table, keys, take) =>
            tracing.insideSync('store.read', reading(table, keys), () =>
              visit.call(store, table, keys, take),
            ),
        }),
  };
}

function reading(table: TableRef, keys: readonly Uint8Array[]): SpanAttributes {
  return {
    'featuremesh.group': table.groupId,
    'featuremesh.version': table.version,
    'featuremesh.rows': keys.length,
  };
}
