import type { AnsweredRead, Checker, Expectation, Violation } from './evidence.ts';

/** V1: a value that is called PRESENT was not older than the group's max age when the read began. */
export const checkMaxAge: Checker = (evidence, expectation) =>
  evidence.reads.flatMap(read => {
    const maxAgeMs = maxAgeOf(read, expectation);
    if (maxAgeMs === undefined) return [];
    const { eventTimes } = read.answer;
    return (eventTimes ?? []).flatMap((eventTime, at): Violation[] => {
      const present = read.answer.statuses.some((_, column) => statusAt(read, column, at) === 'PRESENT');
      if (!present || eventTime === null) return [];
      const ageMs = read.beforeMs - Date.parse(eventTime);
      if (ageMs <= maxAgeMs) return [];
      return [{ invariant: 'V1', what: `${read.region} answered a value of age ${ageMs} ms as PRESENT` }];
    });
  });

/** V3: position i of an answer belongs to key i of the question, as often as the key was asked. `named` gives the key that a value names. */
export const checkOrder: Checker = evidence =>
  evidence.reads.flatMap(read => {
    const asked = Object.values(read.ticket.keys)[0] ?? [];
    const { columns } = read.answer;
    if (columns === null) return [];
    const wrong = columns.flatMap((column, at): string[] => {
      if (column.length !== asked.length) return [`${column.length} values for ${asked.length} keys`];
      if (read.ticket.f[at] !== 'label') return [];
      return column.flatMap((value, position) =>
        value === null || keyNamedBy(String(value)) === asked[position]
          ? []
          : [`position ${position} holds the value of another key`],
      );
    });
    return wrong.map(what => ({ invariant: 'V3', what: `${read.region}: ${what}` }));
  });

/** The workload's `label` values begin with the key, up to the first bar. */
function keyNamedBy(label: string): string {
  return label.split('|')[0] ?? '';
}

function statusAt({ answer }: AnsweredRead, column: number, at: number): string {
  const status = answer.statuses[column] ?? 'NOT_FOUND';
  return typeof status === 'string' ? status : (status[at] ?? 'NOT_FOUND');
}

function maxAgeOf({ ticket }: AnsweredRead, { groups }: Expectation): number | undefined {
  const ofGroup = groups.find(({ groupId }) => groupId === ticket.g)?.maxAgeMs;
  const asked = ticket.maxAgeMs;
  if (ofGroup === undefined) return asked;
  return asked === undefined ? ofGroup : Math.min(ofGroup, asked);
}
