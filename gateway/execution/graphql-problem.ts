import { ERRORS } from '@featuremesh/domain/error-catalogue';
import type { Problem } from '@featuremesh/domain/problem';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { safeDetail } from './region-problem.ts';

/** A problem as GraphQL formats errors: checked detail as message; code, retryability, region, candidates and issues as extensions. */
export function formattedProblem(reason: Problem, path: readonly (string | number)[]): GraphQLFormattedError {
  return { message: safeDetail(reason.code, reason.detail), path, extensions: extensionsOf(reason) };
}

/** A problem as an error to throw from a resolver, with the same members as `formattedProblem`; the executor adds the path. */
export function graphqlProblem(reason: Problem): GraphQLError {
  return new GraphQLError(safeDetail(reason.code, reason.detail), { extensions: extensionsOf(reason) });
}

function extensionsOf({ code, extra, issues }: Problem): Record<string, unknown> {
  const { region, candidates } = extra ?? {};
  return {
    code,
    retryable: ERRORS[code].retryable,
    ...(typeof region === 'string' ? { region } : {}),
    ...(Array.isArray(candidates) ? { candidates } : {}),
    ...(issues === undefined ? {} : { issues }),
  };
}
