import type { Checker, Evidence, ExpectedGroup, Violation } from './evidence.ts';
import { type NaiveRow, rowIdentity } from './naive-row.ts';

/** Largest deviation of a region's clock from true time in any run. */
export const MAX_SKEW_MS = 4_000;

/** True where a row has expired by the end in no region, whatever its clock says. */
export function outlasts(
  row: NaiveRow,
  { retentionMs }: Pick<ExpectedGroup, 'retentionMs'>,
  { endedMs }: Pick<Evidence, 'endedMs'>,
): boolean {
  if (retentionMs === undefined) return true;
  return Number(row.eventTimeUs) / 1_000 > endedMs + MAX_SKEW_MS - retentionMs;
}

/**
 * S8: no store ever holds a row where it held a greater one of the key before, purged or not; and what has expired by the region's own
 * clock is not answered.
 */
export const checkExpiry: Checker = (evidence, { groups }) => {
  const relapses = evidence.relapses.map(
    ({ region, groupId, greatest, row }): Violation => ({
      invariant: 'S8',
      what: `${groupId} in ${region}: ${rowIdentity(row)} stands where ${rowIdentity(greatest)} had stood`,
    }),
  );
  const served = evidence.reads.flatMap(({ region, ticket, answer, beforeMs }): Violation[] => {
    const retentionMs = groups.find(({ groupId }) => groupId === ticket.g)?.retentionMs;
    if (retentionMs === undefined) return [];
    return (answer.eventTimes ?? []).flatMap(eventTime => {
      const ageMs = eventTime === null ? 0 : beforeMs - Date.parse(eventTime);
      if (ageMs <= retentionMs) return [];
      return [{ invariant: 'S8', what: `${region} answered a row of age ${ageMs} ms of ${ticket.g}` }];
    });
  });
  return [...relapses, ...served];
};
