import { FILL_MATRICES } from '@featuremesh/contracts/region-schema';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { entityOf, type RegionContext, type RegionResolverOptions } from './region-resolvers.ts';

/** The fields that `FILL_MATRICES` selects. */
const FIELDS = ['columns', 'statuses', 'eventTimes', 'source', 'problem'] as const;

/** Makes an error as it may leave the region. */
type Format = (formatted: GraphQLFormattedError, error: unknown) => GraphQLFormattedError;

/**
 * The references of a request that is exactly the gateways' one operation; undefined for every other request, and for references of
 * another kind, which the GraphQL server answers.
 */
export function matricesAsked(body: unknown): readonly unknown[] | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  for (const name of Object.keys(body)) if (name !== 'query' && name !== 'variables') return undefined;
  if (!('query' in body) || body.query !== FILL_MATRICES || !('variables' in body)) return undefined;
  const { variables } = body;
  if (typeof variables !== 'object' || variables === null || !('representations' in variables))
    return undefined;
  const { representations } = variables;
  return Array.isArray(representations) && representations.every(isMatrix) ? representations : undefined;
}

/**
 * What the GraphQL server answers to `FILL_MATRICES`, by the same resolver and without parsing, validating and completing an operation
 * that never changes: that took longer than the read.
 */
export async function fillMatrices(
  references: readonly unknown[],
  context: RegionContext,
  options: RegionResolverOptions & { readonly format: Format },
): Promise<object> {
  const errors: GraphQLFormattedError[] = [];
  const entities = await Promise.all(
    references.map(async (reference, index) => {
      try {
        const entity: Readonly<Record<string, unknown>> = await entityOf(reference, context, options);
        return Object.fromEntries(FIELDS.map(name => [name, entity[name] ?? null]));
      } catch (error) {
        const said = error instanceof GraphQLError ? error.toJSON() : { message: '' };
        errors.push(options.format({ ...said, path: ['_entities', index] }, error));
        return null;
      }
    }),
  );
  return {
    data: { _entities: entities },
    ...(errors.length === 0 ? {} : { errors }),
    extensions: { region: options.region },
  };
}

function isMatrix(reference: unknown): boolean {
  return (
    typeof reference === 'object' &&
    reference !== null &&
    '__typename' in reference &&
    reference.__typename === 'FeatureMatrix'
  );
}
