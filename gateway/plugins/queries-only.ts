import type { ApolloServerPlugin } from '@apollo/server';
import { GraphQLError } from 'graphql';

/** Refuses a document without the named operation, and mutations and subscriptions: the supergraph has none, and its planner fails on them. */
export function queriesOnly(): ApolloServerPlugin {
  return {
    requestDidStart: async () => ({
      didResolveOperation: async ({ operation }) => {
        if (operation === undefined)
          throw invalid('The document has no such operation, or several and `operationName` names none');
        if (operation.operation !== 'query') throw invalid('Only queries are served here');
      },
    }),
  };
}

function invalid(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'INVALID_REQUEST', http: { status: 400 } } });
}
