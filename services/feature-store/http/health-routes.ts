import type { Health } from '@featuremesh/runtime/health';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { FastifyInstance } from 'fastify';

/** What a load balancer may be told of a process. */
export type RouteState = 'active' | 'draining' | 'isolated' | 'passive';

/** What the health routes need. */
export interface HealthRouteOptions {
  readonly health: Health;
  readonly metrics: Metrics;
  readonly routeState: () => RouteState;
  /** Called before metrics are written out, to set gauges that are computed on demand. */
  readonly beforeMetrics: () => Promise<void>;
}

/** `/health/live`, `/health/ready` (503 with the reason per component), `/health/route` (state and weight), `/metrics`. */
export function registerHealthRoutes(fastify: FastifyInstance, options: HealthRouteOptions): void {
  const { health, metrics, routeState, beforeMetrics } = options;
  fastify.get('/health/live', () => ({ live: true }));
  fastify.get('/health/ready', (_request, reply) => {
    const report = health.report();
    return reply.code(report.ready ? 200 : 503).send(report);
  });
  fastify.get('/health/route', (_request, reply) => {
    const state = routeState();
    const active = state === 'active' && health.report().ready;
    return reply.code(active ? 200 : 503).send({ state, weight: active ? 100 : 0 });
  });
  fastify.get('/metrics', async (_request, reply) => {
    await beforeMetrics();
    return reply.type(metrics.contentType).send(await metrics.text());
  });
}
