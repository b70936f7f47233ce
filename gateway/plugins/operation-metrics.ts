import type { ApolloServerPlugin } from '@apollo/server';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Metrics } from '@featuremesh/runtime/metrics';

/** Counts and times operations by kind (`online`, `catalogue`) and outcome (`complete`, `partial`, `failed`); no names, no arguments. */
export function operationMetrics(metrics: Metrics, clock: MonotonicClock): ApolloServerPlugin {
  return {
    requestDidStart: async () => {
      const startedMs = clock.monotonicMs();
      return {
        willSendResponse: async ({ response, operation }) => {
          if (response.body.kind !== 'single') return;
          const { data, errors } = response.body.singleResult;
          const isOnline = operation?.selectionSet.selections.some(
            selection => selection.kind === 'Field' && selection.name.value === 'online',
          );
          const kind = isOnline === true ? 'online' : 'catalogue';
          const partial = data == null ? 'failed' : 'partial';
          const outcome = errors === undefined || errors.length === 0 ? 'complete' : partial;
          const seconds = (clock.monotonicMs() - startedMs) / 1_000;
          metrics.observe('featuremesh_gateway_operation_seconds', { kind, outcome }, seconds);
          if (errors?.some(error => error.extensions?.['code'] === 'RESIDENCY_REDIRECT') === true)
            metrics.count('featuremesh_gateway_redirects_total', {});
        },
      };
    },
  };
}
