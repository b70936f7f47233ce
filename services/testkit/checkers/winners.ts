import type { Evidence, ExpectedGroup } from './evidence.ts';
import { bytesText, type NaiveRow, naiveOrder, naiveRow } from './naive-row.ts';

/** Key → the greatest of the rows that regions accepted themselves; the oracle of S1, S2 and S4. */
export function winnersOf(
  evidence: Evidence,
  group: ExpectedGroup,
  origins: readonly string[],
): ReadonlyMap<string, NaiveRow> {
  const winners = new Map<string, NaiveRow>();
  for (const append of evidence.feeds) {
    if (append.imported !== undefined || append.groupId !== group.groupId) continue;
    if (!origins.includes(append.region)) continue;
    for (const { key, row } of append.rows) {
      const candidate = naiveRow(row);
      const known = winners.get(bytesText(key));
      if (known === undefined || naiveOrder(candidate, known) > 0) winners.set(bytesText(key), candidate);
    }
  }
  return winners;
}
