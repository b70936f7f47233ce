import type { ApolloServerOptions, BaseContext } from '@apollo/server';
import { parseOnlineReadRequest } from '@featuremesh/contracts/http-read';
import type { FeatureMatrix, OnlineAnswer, OnlineReadRequest } from '@featuremesh/domain/online-answer';
import type { PlannedRead } from '@featuremesh/domain/read-plan';
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getArgumentValues,
  getVariableValues,
} from 'graphql';
import { formattedProblem } from './graphql-problem.ts';
import type { MatrixReader } from './matrix-reader.ts';
import {
  homeOf,
  isRefusal,
  planOnline,
  type RegionKnowledge,
  refusalOfAll,
  regionsAfter,
} from './online-plan.ts';
import { type OnlineShape, onlineShapeOf, type ShapeField } from './online-shape.ts';
import type { OwnReader } from './own-reader.ts';
import { problemAgain } from './region-problem.ts';
import { type RequestContext, requestOf } from './request-context.ts';

type Gateway = NonNullable<ApolloServerOptions<BaseContext>['gateway']>;
type Executor = NonNullable<Awaited<ReturnType<Gateway['load']>>['executor']>;
type Execution = Parameters<Executor>[0];
type Answer = Awaited<ReturnType<Executor>>;

/** What the shortcut reads with. */
export interface OnlineShortcutOptions {
  readonly regions: RegionKnowledge;
  readonly matrices: MatrixReader;
  readonly own: OwnReader;
  /** The root fields as discovery has them. */
  readonly schema: GraphQLSchema;
}

/**
 * A gateway that answers operations of nothing but one `online` by the read path of HTTP, from the same plan and the same region calls,
 * and hands every other operation, and each that is wrong or refused, to `gateway`. What the planner, two executions and the shaping of
 * results add is several times the read's own cost.
 */
export function withOnlineShortcut(gateway: Gateway, options: OnlineShortcutOptions): Gateway {
  const shapes = new WeakMap<DocumentNode, { readonly shape: OnlineShape | undefined }>();
  const shapeOf = (document: DocumentNode): OnlineShape | undefined => {
    let known = shapes.get(document);
    if (known === undefined) {
      known = { shape: onlineShapeOf(document) };
      shapes.set(document, known);
    }
    return known.shape;
  };
  return {
    load: async config => {
      const { executor } = await gateway.load(config);
      if (executor === null) return { executor };
      return {
        executor: async execution => {
          const shape = shapeOf(execution.document);
          const answer = shape === undefined ? undefined : await answerOf(shape, execution, options);
          return answer ?? executor(execution);
        },
      };
    },
    onSchemaLoadOrUpdate: callback => gateway.onSchemaLoadOrUpdate(callback),
    stop: () => gateway.stop(),
  };
}

async function answerOf(
  shape: OnlineShape,
  { request, context }: Execution,
  options: OnlineShortcutOptions,
): Promise<Answer | undefined> {
  const mesh = requestOf(context);
  const args = argumentsOf(shape, options.schema, request.variables ?? {});
  if (mesh === undefined || args === undefined) return undefined;
  const parsed = parseOnlineReadRequest(args);
  if (!parsed.ok) return undefined;
  const asked = parsed.value;
  const own = await options.own.read({ request: asked, json: () => JSON.stringify(asked) }, mesh.read);
  const regions = regionsAfter(own, options.regions, mesh);
  const answer =
    own.kind === 'whole'
      ? answerOfBytes(own.bytes)
      : await plannedAnswer(asked, mesh, { ...options, regions });
  if (answer === undefined) return undefined;
  const { rows, results: filled, reads } = answer;
  const online: Record<string, unknown> = {};
  const errors: GraphQLError[] = [];
  for (const { field, responseKey, fields } of shape.members) {
    if (field === 'results') {
      online[responseKey] = filled.map((matrix, i) => matrixOf(matrix, reads[i], fields, mesh));
      errors.push(...errorsOf(filled, reads, [shape.rootKey, responseKey]));
    } else online[responseKey] = field === 'rows' ? rows : 'OnlineAnswer';
  }
  const data = { [shape.rootKey]: online };
  return errors.length === 0 ? { data } : { data, errors };
}

interface Filled extends OnlineAnswer {
  /** The plan of each result; none where the own region answered all of it, without a problem. */
  readonly reads: readonly PlannedRead[];
}

function answerOfBytes(bytes: Uint8Array): Filled {
  const { rows, results }: OnlineAnswer = JSON.parse(Buffer.from(bytes).toString('utf8'));
  return { rows, results, reads: [] };
}

async function plannedAnswer(
  asked: OnlineReadRequest,
  mesh: RequestContext,
  { regions, matrices }: OnlineShortcutOptions,
): Promise<Filled | undefined> {
  const plan = planOnline(asked, mesh, regions);
  if (!plan.ok || refusalOfAll(plan.value) !== undefined) return undefined;
  const { rows, reads } = plan.value;
  return { rows, results: await matrices.read(reads, mesh.read), reads };
}

/** The arguments with the defaults of the schema; undefined where they do not fit it, which is the executor's to say. */
function argumentsOf(
  { operation, root }: OnlineShape,
  schema: GraphQLSchema,
  variables: Readonly<Record<string, unknown>>,
): unknown {
  const field = schema.getQueryType()?.getFields()['online'];
  if (field === undefined) return undefined;
  const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variables);
  if (coerced === undefined) return undefined;
  try {
    return getArgumentValues(field, root, coerced);
  } catch (error) {
    if (error instanceof GraphQLError) return undefined;
    throw error;
  }
}

function matrixOf(
  matrix: FeatureMatrix,
  read: PlannedRead | undefined,
  fields: readonly ShapeField[],
  mesh: RequestContext,
): Record<string, unknown> {
  const values: Readonly<Record<string, unknown>> = {
    ...matrix,
    region: matrix.region ?? (read === undefined ? mesh.view.state.region : homeOf(read, mesh)),
    __typename: 'FeatureMatrix',
  };
  const asked: Record<string, unknown> = {};
  for (const { field, responseKey } of fields) asked[responseKey] = values[field] ?? null;
  return asked;
}

/** A part that policy refused is complete with its problem; one that could not be read is an error as well. */
function errorsOf(
  filled: readonly FeatureMatrix[],
  reads: readonly PlannedRead[],
  path: readonly string[],
): GraphQLError[] {
  return filled.flatMap(({ problem }, i) => {
    if (problem === undefined || isRefusal(reads[i]?.problem)) return [];
    const { message, extensions = {} } = formattedProblem(problemAgain(problem), []);
    return [new GraphQLError(message, { path: [...path, i], extensions })];
  });
}
