import type { AnsweredRead, Checker, Expectation, Violation } from './evidence.ts';
import { bytesText, type NaiveRow, naiveOrder, naiveRow, rowIdentity } from './naive-row.ts';

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

/** V6: a read that waited for a write and was answered sees, for each of its keys, that row or one that wins over it. */
export const checkReadAfter: Checker = (evidence, { groups }) => {
  const rows = new Map<string, NaiveRow>();
  const byKey = new Map<string, NaiveRow[]>();
  for (const { imported, groupId, region, rows: logged } of evidence.feeds) {
    if (imported !== undefined) continue;
    for (const { key, row } of logged) {
      const parsed = naiveRow(row);
      const at = `${groupId} ${bytesText(key)}`;
      rows.set(`${region} ${at} ${rowIdentity(row)}`, parsed);
      byKey.set(at, [...(byKey.get(at) ?? []), parsed]);
    }
  }
  return evidence.reads.flatMap(read => {
    const { waitedFor, answer, ticket } = read;
    if (waitedFor === undefined || answer.problem !== undefined) return [];
    return waitedFor.rows.flatMap(({ keyName, key, identity }): Violation[] => {
      const at = `${waitedFor.groupId} ${bytesText(key)}`;
      const written = rows.get(`${waitedFor.region} ${at} ${identity}`);
      const position = (ticket.keys['k'] ?? []).indexOf(keyName);
      if (written === undefined || position < 0) return [];
      const eventTime = answer.eventTimes?.[position] ?? null;
      const greater = (byKey.get(at) ?? []).filter(row => naiveOrder(row, written) >= 0);
      const retentionMs =
        groups.find(({ groupId }) => groupId === waitedFor.groupId)?.retentionMs ?? Infinity;
      const hasExpired = Number(written.eventTimeUs) / 1_000 < read.afterMs - retentionMs;
      if (eventTime === null && hasExpired) return [];
      const fits = greater.some(row =>
        eventTime === null ? row.deleted : row.eventTimeUs === microsOf(eventTime) && !row.deleted,
      );
      if (fits) return [];
      return [
        {
          invariant: 'V6',
          what: `${read.region} answered a read after ${waitedFor.position} without ${identity} of ${waitedFor.groupId}`,
        },
      ];
    });
  });
};

/** RFC 3339 in UTC with up to six digits of a second. */
function microsOf(text: string): bigint {
  const fraction = /\.(\d{1,6})Z$/.exec(text)?.[1] ?? '';
  return BigInt(Date.parse(text.replace(/\.\d+Z$/, 'Z'))) * 1_000n + BigInt(fraction.padEnd(6, '0'));
}

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
