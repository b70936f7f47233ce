import type { GraphQLResolverMap } from '@apollo/subgraph';
import type { FeatureMatrix } from '@featuremesh/domain/online-answer';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { ReadTicket } from '@featuremesh/domain/read-plan';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { Result } from '@featuremesh/domain/result';
import { GraphQLError, GraphQLScalarType } from 'graphql';
import type { z } from 'zod';
import type { SliceReader } from '../serving/slice-reader.ts';
import type { ReadCaller, TicketReader } from '../serving/ticket-reader.ts';
import { isPlainTicket, matrixReferenceSchema, sliceReferenceSchema } from './read-ticket.ts';

/** What every resolver of one request shares. */
export interface RegionContext {
  /** Who asks, or why that is not known: each entity then answers with that problem. */
  readonly caller: Result<ReadCaller>;
}

/** What the resolvers read from. */
export interface RegionResolverOptions {
  readonly region: RegionId;
  readonly tickets: TicketReader;
  readonly slices: SliceReader;
}

const passThrough = (name: string): GraphQLScalarType =>
  new GraphQLScalarType({ name, serialize: value => value, parseValue: value => value });

/**
 * Resolvers of the region contract. Refusals are errors at `["_entities", i]` with their code; what could not be read is an
 * entity with its `problem`; other entities of the request are not touched by either.
 */
export function regionResolvers(options: RegionResolverOptions): GraphQLResolverMap<RegionContext> {
  return {
    JSON: passThrough('JSON'),
    ReadTicket: passThrough('ReadTicket'),
    Query: {
      // In place of the library's: that one throws for the whole list, and what the others were promised fails with nobody to hear it.
      _entities: (_: unknown, { representations }: Representations, context: RegionContext) =>
        representations.map(reference => entityOf(reference, context, options)),
    },
  };
}

interface Representations {
  readonly representations: readonly unknown[];
}

/** One entity by its reference; rejects with the refusal of this entity alone, as a GraphQLError with its code. */
export async function entityOf(
  reference: unknown,
  { caller }: RegionContext,
  options: RegionResolverOptions,
): Promise<Readonly<Record<string, unknown>>> {
  const { region, tickets, slices } = options;
  const asked = callerAt(caller, region);
  const kind = typeOf(reference);
  if (kind === 'FeatureMatrix') {
    const read = ticketAt(reference, region);
    const matrix = await tickets.read(read, asked);
    if (matrix.statuses.includes('REFUSED') && matrix.problem !== undefined)
      throw refusedMatrix(matrix, region);
    return { __typename: kind, ...matrix, read };
  }
  const { group } = parsedAt(sliceReferenceSchema, reference, region);
  const slice = await slices.read(group, asked);
  if (!slice.ok) throw refusal(slice.problem, region);
  return { __typename: 'FeatureSlice', region, group, ...slice.value };
}

function typeOf(reference: unknown): unknown {
  return typeof reference === 'object' && reference !== null && '__typename' in reference
    ? reference.__typename
    : undefined;
}

function ticketAt(reference: unknown, region: RegionId): ReadTicket {
  if (
    typeof reference === 'object' &&
    reference !== null &&
    'region' in reference &&
    reference.region === region &&
    'read' in reference &&
    isPlainTicket(reference.read)
  )
    return reference.read;
  return parsedAt(matrixReferenceSchema, reference, region).read;
}

function parsedAt<T extends { readonly region: string }>(
  schema: z.ZodType<T>,
  reference: unknown,
  region: RegionId,
): T {
  const parsed = schema.safeParse(reference);
  if (!parsed.success) throw refusal(problem('INVALID_REQUEST', 'the reference is malformed'), region);
  if (parsed.data.region !== region) throw refusal(otherRegion(parsed.data.region), region);
  return parsed.data;
}

function callerAt(caller: Result<ReadCaller>, region: RegionId): ReadCaller {
  if (!caller.ok) throw refusal(caller.problem, region);
  return caller.value;
}

function otherRegion(named: string): Problem {
  return problem('MISROUTED', `the reference is for ${named}`);
}

function refusal({ code, detail, extra }: Problem, region: RegionId): GraphQLError {
  const candidates = extra?.['candidates'];
  return new GraphQLError(detail, {
    extensions: { code, region, ...(candidates === undefined ? {} : { candidates }) },
  });
}

function refusedMatrix({ problem: reason }: FeatureMatrix, region: RegionId): GraphQLError {
  return new GraphQLError(reason?.detail ?? 'refused', {
    extensions: {
      code: reason?.code ?? 'INTERNAL',
      region,
      ...(reason?.candidates === undefined ? {} : { candidates: reason.candidates }),
    },
  });
}
