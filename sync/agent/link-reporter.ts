import type { LinkStatus } from '@featuremesh/contracts/link-status';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { Timer } from '@featuremesh/runtime/timer';
import type { RegionService } from '../ports/region-service.ts';

/** Link states are as old as this at most, where the service answers. */
const REPORT_INTERVAL_MS = 1_000;

/** What a reporter works with. */
export interface LinkReporterParts {
  readonly links: () => readonly LinkStatus[];
  readonly service: Pick<RegionService, 'reportLinks'>;
  readonly metrics: Metrics;
  readonly timer: Timer;
  readonly logger: Logger;
}

/** Tells the region's service and the metrics how the links stand, once a second, until the signal aborts. */
export async function reportLinks(parts: LinkReporterParts, signal: AbortSignal): Promise<void> {
  const { links, service, metrics, timer, logger } = parts;
  const counted = new Map<string, number>();
  let failing = false;
  while (!signal.aborted) {
    const statuses = links();
    for (const status of statuses) measure(status, metrics, counted);
    try {
      await service.reportLinks(statuses);
      failing = false;
    } catch (error) {
      if (!failing) logger.info({ err: error }, 'the region service does not take link states');
      failing = true;
    }
    await timer.sleep(REPORT_INTERVAL_MS, signal);
  }
}

function measure(status: LinkStatus, metrics: Metrics, counted: Map<string, number>): void {
  const { peer, direction } = status;
  const labels = { peer, direction };
  metrics.gauge('featuremesh_link_connected', labels, status.connected ? 1 : 0);
  metrics.gauge('featuremesh_link_seq', labels, status.linkSeq);
  metrics.gauge('featuremesh_link_pending_batches', labels, status.pendingBatches);
  const since = (name: string, value: number): number => {
    const key = `${name} ${peer} ${direction}`;
    const before = counted.get(key) ?? 0;
    counted.set(key, value);
    return Math.max(0, value - before);
  };
  metrics.count('featuremesh_link_refused_batches_total', labels, since('refused', status.refusedBatches));
  if (direction === 'out') return;
  metrics.gauge('featuremesh_link_lag_seconds', { peer }, status.lagMs === null ? NaN : status.lagMs / 1_000);
  metrics.count('featuremesh_link_gaps_total', { peer }, since('gaps', status.gaps));
  metrics.gauge('featuremesh_link_held_batches', { peer }, status.heldBatches);
}
