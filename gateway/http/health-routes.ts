import type { Health } from '@featuremesh/runtime/health';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { FastifyInstance } from 'fastify';

/** How a load balancer should treat this gateway: `isolated` reaches no other region, `draining` is about to stop. */
export interface RouteHealth {
  readonly state: 'active' | 'draining' | 'isolated';
  /** Share of traffic, 0–100. */
  readonly weight: number;
}

/** What the routes report. */
export interface HealthRouteOptions {
  readonly health: Health;
  readonly route: () => RouteHealth;
  readonly metrics: Metrics;
  /** Sets what is known only when it is asked for, before metrics are written out. */
  readonly gauges: () => void;
}

/** `/health/live`, `/health/ready` (503 with a reason per component), `/health/route` (503 while draining), `/metrics`. */
export function registerHealth(
  fastify: FastifyInstance,
  { health, route, metrics, gauges }: HealthRouteOptions,
): void {
  fastify.get('/health/live', (_, reply) => reply.send({ live: true }));
  fastify.get('/health/ready', (_, reply) => {
    const report = health.report();
    return reply.code(report.ready ? 200 : 503).send(report);
  });
  fastify.get('/health/route', (_, reply) => {
    const state = route();
    return reply.code(state.state === 'draining' ? 503 : 200).send(state);
  });
  fastify.get('/metrics', async (_, reply) => {
    gauges();
    return reply.type(metrics.contentType).send(await metrics.text());
  });
}
