import type { GraphQLResolverMap } from '@apollo/subgraph';
import type { FeatureMatrix } from '@featuremesh/domain/online-answer';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { RegionId } from '@featuremesh/domain/region-id';
import type { Result } from '@featuremesh/domain/result';
import { GraphQLError, GraphQLScalarType } from 'graphql';
import type { SliceReader } from '../serving/slice-reader.ts';
import type { ReadCaller, TicketReader } from '../serving/ticket-reader.ts';
import { matrixReferenceSchema, sliceReferenceSchema } from './read-ticket.ts';

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
  const { region, tickets, slices } = options;
  return {
    JSON: passThrough('JSON'),
    ReadTicket: passThrough('ReadTicket'),
    FeatureMatrix: {
      __resolveReference: async (reference: unknown, { caller }: RegionContext) => {
        const asked = callerAt(caller, region);
        const parsed = matrixReferenceSchema.safeParse(reference);
        if (!parsed.success) throw refusal(problem('INVALID_REQUEST', 'the reference is malformed'), region);
        if (parsed.data.region !== region) throw refusal(otherRegion(parsed.data.region), region);
        const matrix = await tickets.read(parsed.data.read, asked);
        if (matrix.statuses.includes('REFUSED') && matrix.problem !== undefined)
          throw refusedMatrix(matrix, region);
        return { ...matrix, read: parsed.data.read };
      },
    },
    FeatureSlice: {
      __resolveReference: async (reference: unknown, { caller }: RegionContext) => {
        const asked = callerAt(caller, region);
        const parsed = sliceReferenceSchema.safeParse(reference);
        if (!parsed.success) throw refusal(problem('INVALID_REQUEST', 'the reference is malformed'), region);
        if (parsed.data.region !== region) throw refusal(otherRegion(parsed.data.region), region);
        const slice = await slices.read(parsed.data.group, asked);
        if (!slice.ok) throw refusal(slice.problem, region);
        return { region, group: parsed.data.group, ...slice.value };
      },
    },
  };
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
