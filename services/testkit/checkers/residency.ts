import type { Checker, Expectation, ExpectedGroup } from './evidence.ts';

/** What the workload writes into every value: who accepted the row, and of which group it is. */
export const canary = (origin: string, groupId: string): string => `<canary ${origin} ${groupId}>`;

const CANARY = /<canary ([a-z0-9-]+) ([a-z2-7]{16})>/g;

/**
 * R1: wherever bytes come to rest or leave a region, they hold no canary of a row that the region (for OUT: the peer that it is for) may
 * not hold. No line of a log holds any canary at all.
 */
export const checkResidency: Checker = (evidence, expectation) =>
  evidence.resting.flatMap(({ region, place, bytes, atMs }) => {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    const strangers = new Set<string>();
    for (const [, origin = '', groupId = ''] of text.matchAll(CANARY)) {
      if (place === 'log line' || !mayRest(expectation, { region, origin, groupId, place, atMs }))
        strangers.add(`${origin}'s row of ${groupId}`);
    }
    return [...strangers].map(row => ({
      invariant: 'R1',
      what: `${row} was found in ${place} for ${region} at ${Math.round(atMs)}`,
    }));
  });

function mayRest(
  { groups }: Expectation,
  found: { region: string; origin: string; groupId: string; place: string; atMs: number },
): boolean {
  const group = groups.find(({ groupId }) => groupId === found.groupId);
  // Damaged on the way and set aside as poison, a canary may name a group that there is not.
  if (group === undefined) return found.place === 'HELD';
  if (group.sharing === 'own') return found.region === found.origin && group.regions.includes(found.region);
  return regionsAt(group, found.atMs).includes(found.region);
}

function regionsAt({ regions, before }: ExpectedGroup, atMs: number): readonly string[] {
  return before !== undefined && atMs <= before.enforcedMs ? before.regions : regions;
}
