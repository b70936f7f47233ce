import type { PlannedRead } from '@featuremesh/domain/read-plan';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { RegionTable } from '../routing/region-table.ts';

/** Sets the gauges of a gateway that nobody keeps up to date: breakers, probe times, and the age of what it knows, as of now. */
export function setGatewayGauges(
  metrics: Metrics,
  regions: Pick<RegionTable, 'endpoints'>,
  knowledgeAgeMs: number | undefined,
): void {
  for (const endpoint of regions.endpoints()) {
    const labels = { asked: endpoint.region };
    const latencyMs = endpoint.latencyMs() ?? Number.NaN;
    metrics.gauge('featuremesh_gateway_region_down', labels, endpoint.health() === 'down' ? 1 : 0);
    metrics.gauge('featuremesh_gateway_region_latency_seconds', labels, latencyMs / 1_000);
  }
  const ageMs = knowledgeAgeMs ?? Number.NaN;
  metrics.gauge('featuremesh_gateway_knowledge_age_seconds', {}, ageMs / 1_000);
}

/** Counts the regions that one read is planned for. */
export function countFanOut(metrics: Metrics, reads: readonly PlannedRead[]): void {
  const regions = new Set<string>();
  for (const { region } of reads) if (region !== null) regions.add(region);
  metrics.observe('featuremesh_gateway_fanout_regions', {}, regions.size);
}
