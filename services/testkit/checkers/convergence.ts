import type { Checker, Evidence, ExpectedGroup, Violation } from './evidence.ts';
import { outlasts } from './expiry.ts';
import { bytesText, type NaiveRow, naiveOrder, naiveRow, rowIdentity } from './naive-row.ts';
import { winnersOf } from './winners.ts';

/**
 * S1, S2, S4: after quiescence every permitted region holds, for each key, the bytes of the greatest row that any region accepted and
 * that it may hold. Where a tightening shut a region out, its rows may have reached some and not others: they may win, nothing else may.
 */
export const checkConvergence: Checker = (evidence, expectation) =>
  expectation.groups.flatMap(group =>
    group.regions.flatMap(region => {
      const origins = group.sharing === 'own' ? [region] : group.regions;
      const shutOut = (group.before?.regions ?? []).filter(one => !group.regions.includes(one));
      return compare(evidence, group, region, { origins, shutOut });
    }),
  );

function compare(
  evidence: Evidence,
  group: ExpectedGroup,
  region: string,
  { origins, shutOut }: { origins: readonly string[]; shutOut: readonly string[] },
): readonly Violation[] {
  const expected = winnersOf(evidence, group, origins);
  const stored = storedRows(evidence, group.groupId, region);
  const violations: Violation[] = [];
  const complain = (what: string): void => {
    violations.push({ invariant: 'S1', what: `${group.name} in ${region}: ${what}` });
  };
  for (const [key, winner] of expected) {
    // What is about to expire is gone here and not yet there.
    if (!outlasts(winner, group, evidence)) continue;
    const found = stored.get(key);
    if (found === undefined) complain(`no row where ${rowIdentity(winner.bytes)} won`);
    else {
      const order = naiveOrder(found, winner);
      if (order < 0)
        complain(`${rowIdentity(found.bytes)} is stored, ${rowIdentity(winner.bytes)} is greater`);
      if (order > 0 && !shutOut.includes(found.origin))
        complain(`${rowIdentity(found.bytes)} is stored and no log holds it`);
    }
  }
  for (const [key, found] of stored) {
    if (!expected.has(key) && !shutOut.includes(found.origin))
      complain(`${rowIdentity(found.bytes)} is stored for a key that nobody wrote`);
  }
  return violations;
}

function storedRows(evidence: Evidence, groupId: string, region: string): ReadonlyMap<string, NaiveRow> {
  const rows = evidence.stored
    .filter(table => table.region === region && table.groupId === groupId)
    .flatMap(table => table.rows);
  return new Map(rows.map(({ key, row }) => [bytesText(key), naiveRow(row)]));
}

/** S3: every stored row is byte for byte one that its origin logged for that key: no row mixes two writes. */
export const checkWholeRows: Checker = evidence => {
  const logged = new Set<string>();
  for (const append of evidence.feeds) {
    if (append.imported !== undefined) continue;
    for (const { key, row } of append.rows)
      logged.add(`${append.groupId} ${bytesText(key)} ${bytesText(row)}`);
  }
  return evidence.stored.flatMap(({ region, groupId, rows }) =>
    rows
      .filter(({ key, row }) => !logged.has(`${groupId} ${bytesText(key)} ${bytesText(row)}`))
      .map(({ row }) => ({
        invariant: 'S3',
        what: `${groupId} in ${region}: ${rowIdentity(row)} was never logged in this form`,
      })),
  );
};

/** S5: every acknowledged row is in its region's log, and at the end it or a greater one is in its region's store. */
export const checkDurability: Checker = (evidence, expectation) => {
  const logged = new Map<string, NaiveRow>();
  for (const append of evidence.feeds) {
    if (append.imported !== undefined) continue;
    for (const { key, row } of append.rows)
      logged.set(`${append.region} ${append.groupId} ${bytesText(key)} ${rowIdentity(row)}`, naiveRow(row));
  }
  const stores = new Map<string, ReadonlyMap<string, NaiveRow>>();
  const violations: Violation[] = [];
  for (const { region, groupId, key, identity } of evidence.acknowledged) {
    const group = expectation.groups.find(one => one.groupId === groupId);
    const row = logged.get(`${region} ${groupId} ${bytesText(key)} ${identity}`);
    const what = `${identity} of ${group?.name ?? groupId} was acknowledged in ${region}`;
    if (row === undefined) {
      violations.push({ invariant: 'S5', what: `${what} and is in no log` });
      continue;
    }
    if (group?.regions.includes(region) !== true || !outlasts(row, group, evidence)) continue;
    const at = `${region} ${groupId}`;
    const store = stores.get(at) ?? storedRows(evidence, groupId, region);
    stores.set(at, store);
    const found = store.get(bytesText(key));
    if (found === undefined || naiveOrder(found, row) < 0)
      violations.push({ invariant: 'S5', what: `${what} and neither it nor a greater row is stored` });
  }
  return violations;
};
