import type { AnswerSource, FeatureMatrix } from '@featuremesh/domain/online-answer';
import { type Problem, problem } from '@featuremesh/domain/problem';
import type { ReadTicket } from '@featuremesh/domain/read-plan';
import type { RegionId } from '@featuremesh/domain/region-id';
import { fail, ok, type Result } from '@featuremesh/domain/result';
import { VALUE_STATUSES, type ValueStatus } from '@featuremesh/domain/value-status';
import { problemFromRegion } from './region-problem.ts';

const STATUSES: ReadonlySet<unknown> = new Set(VALUE_STATUSES);

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
  const said = recordOf(entity['problem']);
  if (typeof said?.['code'] === 'string') return fail(problemFromRegion(said, region));
  const { columns, statuses, eventTimes } = entity;
  const source = sourceOf(entity['source'], region);
  if (source === undefined) return fail(malformed(region, 'the source'));
  const count = Object.values(ticket.keys)[0]?.length ?? 0;
  if (!isTable(columns, ticket.f.length, count)) return fail(malformed(region, 'the columns'));
  if (!areStatuses(statuses, ticket.f.length, count)) return fail(malformed(region, 'the statuses'));
  if (!areEventTimes(eventTimes, count)) return fail(malformed(region, 'the event times'));
  return ok({ columns, statuses, eventTimes, source });
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null ? { ...value } : undefined;
}

/** The source with its own members only; undefined where one is malformed or it is another region's. */
function sourceOf(value: unknown, region: RegionId): AnswerSource | undefined {
  const { region: from, replica, lagMs, policyEpoch } = recordOf(value) ?? {};
  if (from !== region || typeof replica !== 'boolean' || typeof policyEpoch !== 'string') return undefined;
  if (lagMs !== null && !(typeof lagMs === 'number' && Number.isFinite(lagMs))) return undefined;
  return { region, replica, lagMs, policyEpoch };
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
