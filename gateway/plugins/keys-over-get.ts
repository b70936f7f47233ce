import type { ApolloServerPlugin } from '@apollo/server';
import { type DocumentNode, GraphQLError, visit } from 'graphql';

/** Fields whose arguments carry entity keys. */
const CARRIES_KEYS: ReadonlySet<string> = new Set(['online']);

/** Refuses operations that carry entity keys over GET: addresses end up in logs and caches that nobody cleans. */
export function refuseKeysOverGet(): ApolloServerPlugin {
  return {
    requestDidStart: async () => ({
      didResolveOperation: async ({ request, document }) => {
        if (request.http?.method !== 'GET' || !carriesKeys(document)) return;
        throw new GraphQLError('Operations that carry keys are answered over POST only', {
          extensions: {
            code: 'INVALID_REQUEST',
            http: { status: 405, headers: new Map([['allow', 'POST']]) },
          },
        });
      },
    }),
  };
}

function carriesKeys(document: DocumentNode): boolean {
  let found = false;
  visit(document, {
    Field: ({ name }) => {
      found ||= CARRIES_KEYS.has(name.value);
    },
  });
  return found;
}
