import type { ApolloServerPlugin } from '@apollo/server';
import { ERRORS, type ErrorCode } from '@featuremesh/domain/error-catalogue';
import type { Logger } from '@featuremesh/runtime/logger';
import type { GraphQLFormattedError } from 'graphql';
import { isErrorCode, safeDetail } from '../execution/region-problem.ts';

/** Codes of the GraphQL server that are the client's fault; their messages name parts of the operation, never an address. */
const CLIENT_FAULTS: ReadonlySet<unknown> = new Set([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'BAD_USER_INPUT',
  'BAD_REQUEST',
  'OPERATION_RESOLUTION_FAILURE',
  'MAX_RECURSIVE_SELECTIONS_EXCEEDED',
  'PERSISTED_QUERY_NOT_SUPPORTED',
]);
const PASSED_ON = ['region', 'candidates', 'issues'] as const;

/**
 * Maps every error that leaves the gateway to a code of the catalogue with its retryability; only region, candidates and issues
 * pass beside them. What nobody foresaw becomes INTERNAL and is logged, without its message reaching the client.
 */
export function closedErrors(
  log: Logger,
): (formatted: GraphQLFormattedError, error: unknown) => GraphQLFormattedError {
  return (formatted, error) => {
    const given = formatted.extensions?.['code'];
    const code = codeOf(given);
    if (code === 'INTERNAL') log.error({ err: error }, 'an operation failed unexpectedly');
    const extensions: Record<string, unknown> = { code, retryable: ERRORS[code].retryable };
    for (const name of PASSED_ON) {
      const value = formatted.extensions?.[name];
      if (value !== undefined) extensions[name] = value;
    }
    return {
      message: code === 'INTERNAL' ? ERRORS.INTERNAL.title : safeDetail(code, formatted.message),
      ...pathOf(formatted, error),
      ...(formatted.locations === undefined ? {} : { locations: formatted.locations }),
      extensions,
    };
  };
}

/**
 * The gateway reports values that do not fit the schema as an extension only. Turns that into an error, so that an emptied part is
 * never silent.
 */
export function reportMisfits(log: Logger): ApolloServerPlugin {
  return {
    requestDidStart: async () => ({
      willSendResponse: async ({ response }) => {
        if (response.body.kind !== 'single') return;
        const { singleResult } = response.body;
        const misfits = singleResult.extensions?.['valueCompletion'];
        if (misfits === undefined) return;
        log.error({ misfits }, 'an answer did not fit the schema');
        const { valueCompletion: _, ...extensions } = singleResult.extensions ?? {};
        singleResult.extensions = extensions;
        singleResult.errors = [
          ...(singleResult.errors ?? []),
          {
            message: ERRORS.INTERNAL.title,
            extensions: { code: 'INTERNAL', retryable: ERRORS.INTERNAL.retryable },
          },
        ];
      },
    }),
  };
}

/** The server loses the path of an error that comes of another copy of its library. */
function pathOf({ path }: GraphQLFormattedError, error: unknown): Pick<GraphQLFormattedError, 'path'> {
  if (path !== undefined) return { path };
  const own = error instanceof Error && 'path' in error ? error.path : undefined;
  return Array.isArray(own) ? { path: own } : {};
}

function codeOf(given: unknown): ErrorCode {
  if (CLIENT_FAULTS.has(given)) return 'INVALID_REQUEST';
  return isErrorCode(given) ? given : 'INTERNAL';
}
