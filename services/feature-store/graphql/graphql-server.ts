import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import { unwrapResolverError } from '@apollo/server/errors';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import { REGION_SDL } from '@featuremesh/contracts/region-schema';
import { ERRORS } from '@featuremesh/domain/error-catalogue';
import type { Logger } from '@featuremesh/runtime/logger';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GraphQLError, type GraphQLFormattedError, parse } from 'graphql';
import type { GatewayCallers } from './gateway-caller.ts';
import { fillMatrices, matricesAsked } from './matrix-filler.ts';
import { type RegionContext, type RegionResolverOptions, regionResolvers } from './region-resolvers.ts';

/** Bytes of one operation: a gateway asks for at most a few tickets of 1,000 keys each. */
const MAX_OPERATION_BYTES = 4 * 1024 * 1024;

/** Codes of the GraphQL server for requests that are wrong in themselves. */
const CLIENT_FAULTS: ReadonlySet<unknown> = new Set([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'BAD_USER_INPUT',
  'BAD_REQUEST',
  'OPERATION_RESOLUTION_FAILURE',
  'PERSISTED_QUERY_NOT_SUPPORTED',
]);

/** What the region contract is served with. */
export interface GraphqlOptions extends RegionResolverOptions {
  readonly callers: GatewayCallers;
  readonly logger: Logger;
}

/**
 * Serves the region contract at `POST /graphql`. Every answer carries `extensions.region`, so that a gateway can drop one
 * of another region. Without a verified gateway token each entity is refused; introspection is open.
 */
export async function registerGraphql(
  fastify: FastifyInstance,
  options: GraphqlOptions,
): Promise<ApolloServer<RegionContext>> {
  const server = new ApolloServer<RegionContext>({
    schema: buildSubgraphSchema([{ typeDefs: parse(REGION_SDL), resolvers: regionResolvers(options) }]),
    introspection: true,
    persistedQueries: false,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    formatError: (formatted, error) => publicError(formatted, error, options),
    plugins: [
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginInlineTraceDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      stamp(options.region),
    ],
  });
  await server.start();
  const contextOf = async (request: FastifyRequest): Promise<RegionContext> => ({
    caller: await options.callers.callerOf({
      authorization: request.headers.authorization,
      body: request.body,
    }),
  });
  const any = fastifyApolloHandler(server, { context: contextOf });
  const format = (formatted: GraphQLFormattedError, error: unknown) => publicError(formatted, error, options);
  fastify.route({
    method: 'POST',
    url: '/graphql',
    bodyLimit: MAX_OPERATION_BYTES,
    handler: async (request, reply) => {
      const references = matricesAsked(request.body);
      if (references === undefined) return any.call(fastify, request, reply);
      return fillMatrices(references, await contextOf(request), { ...options, format });
    },
  });
  return server;
}

function stamp(region: string): ApolloServerPlugin<RegionContext> {
  return {
    requestDidStart: async () => ({
      willSendResponse: async ({ response }) => {
        if (response.body.kind === 'single')
          response.body.singleResult.extensions = { ...response.body.singleResult.extensions, region };
      },
    }),
  };
}

/** Only what the catalogue knows leaves the region with its words; anything else is INTERNAL, logged here and nowhere else. */
function publicError(
  formatted: GraphQLFormattedError,
  error: unknown,
  { region, logger }: GraphqlOptions,
): GraphQLFormattedError {
  const code = formatted.extensions?.['code'];
  const location = {
    ...(formatted.path === undefined ? {} : { path: formatted.path }),
    ...(formatted.locations === undefined ? {} : { locations: formatted.locations }),
  };
  if (typeof code === 'string' && code in ERRORS && code !== 'INTERNAL')
    return { message: formatted.message, ...location, extensions: { ...formatted.extensions, region } };
  if (CLIENT_FAULTS.has(code))
    return { message: formatted.message, ...location, extensions: { code: 'INVALID_REQUEST', region } };
  const cause = unwrapResolverError(error);
  if (!(cause instanceof GraphQLError)) logger.error({ err: cause }, 'a resolver failed unexpectedly');
  return { message: ERRORS.INTERNAL.title, ...location, extensions: { code: 'INTERNAL', region } };
}
