import { ApolloServer, type ApolloServerOptions } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { MonotonicClock } from '@featuremesh/runtime/clock';
import type { Logger } from '@featuremesh/runtime/logger';
import type { Metrics } from '@featuremesh/runtime/metrics';
import type { FastifyInstance } from 'fastify';
import type { RequestContext, ServerContext } from '../execution/request-context.ts';
import { MAX_OPERATION_TOKENS, MAX_REQUEST_BODY_BYTES } from '../limits.ts';
import { closedErrors, reportMisfits } from '../plugins/closed-errors.ts';
import { refuseKeysOverGet } from '../plugins/keys-over-get.ts';
import { localLandingPage } from '../plugins/landing-page.ts';
import { operationLimits } from '../plugins/operation-limits.ts';
import { operationMetrics } from '../plugins/operation-metrics.ts';
import { queriesOnly } from '../plugins/queries-only.ts';

/** What the GraphQL endpoint is served with. */
export interface GraphqlRouteOptions {
  readonly region: string;
  readonly gateway: NonNullable<ApolloServerOptions<ServerContext>['gateway']>;
  readonly newContext: () => RequestContext;
  /** True hides the schema: no introspection, no suggestions in errors. */
  readonly production: boolean;
  readonly clock: MonotonicClock;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** Serves the supergraph at `/graphql`, hardened (reference, 4.3); resolves with the started server, which the caller stops. */
export async function registerGraphql(
  fastify: FastifyInstance,
  options: GraphqlRouteOptions,
): Promise<ApolloServer<ServerContext>> {
  const { gateway, newContext, production, clock, metrics, log } = options;
  const server = new ApolloServer<ServerContext>({
    gateway,
    introspection: !production,
    hideSchemaDetailsFromClientErrors: production,
    includeStacktraceInErrorResponses: false,
    csrfPrevention: true,
    allowBatchedHttpRequests: false,
    persistedQueries: false,
    maxRecursiveSelections: true,
    parseOptions: { maxTokens: MAX_OPERATION_TOKENS },
    validationRules: [operationLimits],
    stopOnTerminationSignals: false,
    formatError: closedErrors(log),
    logger: vendorLogger(log),
    plugins: [
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginInlineTraceDisabled(),
      ApolloServerPluginSchemaReportingDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      localLandingPage(options.region),
      queriesOnly(),
      refuseKeysOverGet(),
      reportMisfits(log),
      operationMetrics(metrics, clock),
    ],
  });
  await server.start();
  fastify.route({
    method: ['GET', 'POST'],
    url: '/graphql',
    bodyLimit: MAX_REQUEST_BODY_BYTES,
    handler: fastifyApolloHandler(server, { context: async () => ({ mesh: newContext() }) }),
  });
  return server;
}

/** The vendor's messages in our log; their texts may hold parts of operations, so only warnings and errors pass. */
export function vendorLogger(log: Logger) {
  const pass = (level: 'warn' | 'error') => (message?: unknown) =>
    log[level]({ vendor: String(message) }, 'graphql server');
  return { debug: () => {}, info: () => {}, warn: pass('warn'), error: pass('error') };
}
