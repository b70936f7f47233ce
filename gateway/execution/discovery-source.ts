import type { GraphQLDataSource } from '@apollo/gateway';
import { DISCOVERY_SDL } from '@featuremesh/contracts/discovery-schema';
import { problem } from '@featuremesh/domain/problem';
import { buildASTSchema, type DocumentNode, execute, type GraphQLSchema, parse } from 'graphql';
import { MAX_CACHED_OPERATIONS } from '../limits.ts';
import { BoundedCache } from './bounded-cache.ts';
import type { DiscoveryRoot } from './discovery-root.ts';
import { formattedProblem } from './graphql-problem.ts';
import { requestOf } from './request-context.ts';

type ProcessOptions = Parameters<GraphQLDataSource['process']>[0];
type Answer = Awaited<ReturnType<GraphQLDataSource['process']>>;

/**
 * Executes planned operations of the discovery subgraph in this process. The planner made them from the same schema, so they are
 * not validated again, and each is parsed once: the stock local data source does both on every request.
 */
export class DiscoverySource implements GraphQLDataSource {
  readonly #root: DiscoveryRoot;
  /** The root fields and their arguments, without resolvers. */
  readonly schema: GraphQLSchema = buildASTSchema(parse(DISCOVERY_SDL), {
    assumeValidSDL: true,
    assumeValid: true,
  });
  readonly #documents = new BoundedCache<DocumentNode>(MAX_CACHED_OPERATIONS);

  constructor(root: DiscoveryRoot) {
    this.#root = root;
  }

  /** Answers one planned operation. */
  async process({ request, context }: ProcessOptions): Promise<Answer> {
    const { query, variables, operationName } = request;
    const mesh = requestOf(context);
    if (query === undefined || mesh === undefined)
      return { data: null, errors: [formattedProblem(problem('INTERNAL', 'no operation'), [])] };
    const result = await execute({
      schema: this.schema,
      document: this.#documents.get(query, text => parse(text, { noLocation: true })),
      rootValue: this.#root,
      contextValue: mesh,
      variableValues: variables,
      operationName,
    });
    const data = result.data ?? null;
    return result.errors === undefined
      ? { data }
      : { data, errors: result.errors.map(error => error.toJSON()) };
  }
}
