import type { AnswerSource, FeatureMatrix } from '@featuremesh/domain/online-answer';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { ReadTicket } from '@featuremesh/domain/read-plan';
import type { RegionId } from '@featuremesh/domain/region-id';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { VALUE_STATUSES, type ValueStatus } from '@featuremesh/domain/value-status';
import { z } from 'zod';
import { problemFromRegion } from './region-problem.ts';

const STATUSES: ReadonlySet<unknown> = new Set(VALUE_STATUSES);
const SOURCE = z.object({
  region: z.string(),
  replica: z.boolean(),
  lagMs: z.number().nullable(),
  policyEpoch: z.string(),
});
const PROBLEM = z.looseObject({ code: z.string() });

/** The values of one part as a region filled them. */
export type FilledMatrix = Required<Pick<FeatureMatrix, 'columns' | 'statuses' | 'eventTimes' | 'source'>>;

/**
 * Checks what a region filled in for a ticket: the region's own problem first, then that every column, status and event time
 * is there for every key, and that the source is the asked region. Values themselves pass as they are.
 */
export function checkMatrix(
  entity: Readonly<Record<string, unknown>>,
  ticket: ReadTicket,
  region: RegionId,
): Result<FilledMatrix> {
  const said = PROBLEM.safeParse(entity['problem']);
  if (said.success) return fail(problemFromRegion(said.data, region));
  const { columns, statuses, eventTimes } = entity;
  const source = SOURCE.safeParse(entity['source']);
  if (!source.success || source.data.region !== region) return fail(malformed(region, 'the source'));
  const count = Object.values(ticket.keys)[0]?.length ?? 0;
  if (!isTable(columns, ticket.f.length, count)) return fail(malformed(region, 'the columns'));
  if (!areStatuses(statuses, ticket.f.length, count)) return fail(malformed(region, 'the statuses'));
  if (!areEventTimes(eventTimes, count)) return fail(malformed(region, 'the event times'));
  return ok({ columns, statuses, eventTimes, source: source.data satisfies AnswerSource });
}

function isTable(value: unknown, width: number, height: number): value is readonly (readonly unknown[])[] {
  return (
    Array.isArray(value) &&
    value.length === width &&
    value.every(column => Array.isArray(column) && column.length === height)
  );
}

function areStatuses(
  value: unknown,
  width: number,
  height: number,
): value is readonly (ValueStatus | readonly ValueStatus[])[] {
  return (
    Array.isArray(value) &&
    value.length === width &&
    value.every(
      status =>
        STATUSES.has(status) ||
        (Array.isArray(status) && status.length === height && status.every(one => STATUSES.has(one))),
    )
  );
}

function areEventTimes(value: unknown, height: number): value is readonly (string | null)[] {
  return (
    Array.isArray(value) &&
    value.length === height &&
    value.every(time => time === null || typeof time === 'string')
  );
}

function malformed(region: RegionId, what: string): Problem {
  return problem('REGION_UNAVAILABLE', `${region} is not available: ${what} of its answer are malformed`, {
    extra: { region },
  });
}
