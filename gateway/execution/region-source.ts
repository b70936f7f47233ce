import type { GraphQLDataSource } from '@apollo/gateway';
import type { FeatureMatrix } from '@featuremesh/domain/online-answer';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { Logger } from '@featuremesh/runtime/logger';
import type { GraphQLFormattedError } from 'graphql';
import { z } from 'zod';
import { MAX_CACHED_OPERATIONS } from '../limits.ts';
import { BoundedCache } from './bounded-cache.ts';
import { formattedProblem } from './graphql-problem.ts';
import type { MatrixReader } from './matrix-reader.ts';
import { isRefusal } from './online-plan.ts';
import { type AskedField, type EntityFields, entityFieldsOf } from './planned-operation.ts';
import { problemAgain } from './region-problem.ts';
import { type RequestContext, requestOf } from './request-context.ts';
import type { SliceReader } from './slice-reader.ts';

type ProcessOptions = Parameters<GraphQLDataSource['process']>[0];
type Answer = Awaited<ReturnType<GraphQLDataSource['process']>>;
type Entity = Record<string, unknown> | null;

const REFERENCE = z.discriminatedUnion('__typename', [
  z.object({ __typename: z.literal('FeatureMatrix'), region: z.string(), read: z.string() }),
  z.object({ __typename: z.literal('FeatureSlice'), region: z.string(), group: z.string() }),
]);

type Reference = z.infer<typeof REFERENCE>;

/**
 * The data source of the `region` contract: splits references by region, asks each region for its part only, and merges by index.
 * Never throws: what fails comes back as an error with path `["_entities", i]`, which the gateway turns into the field's real path.
 */
export class RegionSource implements GraphQLDataSource {
  readonly #matrices: MatrixReader;
  readonly #slices: SliceReader;
  readonly #log: Logger;
  readonly #operations = new BoundedCache<EntityFields>(MAX_CACHED_OPERATIONS);

  constructor(options: {
    readonly matrices: MatrixReader;
    readonly slices: SliceReader;
    readonly log: Logger;
  }) {
    this.#matrices = options.matrices;
    this.#slices = options.slices;
    this.#log = options.log;
  }

  /** Answers one planned `_entities` operation. */
  async process({ request, context }: ProcessOptions): Promise<Answer> {
    const { representations, ...variables } = request.variables ?? {};
    const references = z.array(REFERENCE).safeParse(representations);
    const { query } = request;
    const mesh = requestOf(context);
    if (mesh === undefined || query === undefined || !references.success)
      return nothing('the references are malformed', 0);
    try {
      return await this.#fill(references.data, { query, variables }, mesh);
    } catch (error) {
      this.#log.error({ err: error }, 'references were not filled');
      return nothing('the references were not filled', references.data.length);
    }
  }

  async #fill(
    references: readonly Reference[],
    operation: { readonly query: string; readonly variables: Readonly<Record<string, unknown>> },
    context: RequestContext,
  ): Promise<Answer> {
    const entities: Entity[] = references.map(() => null);
    const errors: GraphQLFormattedError[] = [];
    const matrices = references.flatMap((reference, index) =>
      reference.__typename === 'FeatureMatrix' ? [{ read: context.planned(reference.read), index }] : [],
    );
    const slices = references.flatMap((reference, index) =>
      reference.__typename === 'FeatureSlice' ? [{ ...reference, index }] : [],
    );
    const fields = this.#operations.get(operation.query, entityFieldsOf).get('FeatureMatrix') ?? [];
    const [filled, answers] = await Promise.all([
      this.#matrices.read(
        matrices.map(({ read }) => read),
        context.read,
      ),
      this.#slices.read(slices, operation, context.read),
    ]);
    for (const [at, { index, read }] of matrices.entries()) {
      const matrix = filled[at];
      if (matrix === undefined) continue;
      entities[index] = entityOf(matrix, fields);
      const reason = matrix.problem;
      // A part that policy refused is complete with its problem; one that could not be read is an error as well.
      if (reason !== undefined && !isRefusal(read.problem)) errors.push(errorAt(index, problemAgain(reason)));
    }
    for (const [at, { index }] of slices.entries()) {
      const answer = answers[at];
      if (answer?.kind === 'entity') entities[index] = { ...answer.entity, __typename: 'FeatureSlice' };
      else if (answer !== undefined) errors.push(errorAt(index, answer.problem));
    }
    const data = { _entities: entities };
    return errors.length === 0 ? { data } : { data, errors };
  }
}

/** The asked fields under their response keys; `region` becomes the one that answered, where another copy stood in. */
function entityOf(matrix: FeatureMatrix, fields: readonly AskedField[]): Entity {
  const values: Readonly<Record<string, unknown>> = { ...matrix, __typename: 'FeatureMatrix' };
  const entity: Record<string, unknown> = { __typename: 'FeatureMatrix' };
  if (matrix.region !== null) entity['region'] = matrix.region;
  for (const { field, responseKey } of fields) entity[responseKey] = values[field] ?? null;
  return entity;
}

function errorAt(index: number, reason: Problem): GraphQLFormattedError {
  return formattedProblem(reason, ['_entities', index]);
}

function nothing(why: string, count: number): Answer {
  const errors = Array.from({ length: Math.max(1, count) }, (_, index) =>
    errorAt(index, problem('INTERNAL', why)),
  );
  return { data: { _entities: Array.from({ length: count }, () => null) }, errors };
}
