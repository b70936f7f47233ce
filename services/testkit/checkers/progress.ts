import type { Checker, Evidence, Expectation, ExpectedGroup, FeedAppend, Violation } from './evidence.ts';
import { outlasts } from './expiry.ts';
import { bytesText, type NaiveRow, naiveOrder, naiveRow, rowIdentity } from './naive-row.ts';

/** Groups that travel from one region to another all the time of the run. */
function travelling(expectation: Expectation, from: string, to: string): readonly ExpectedGroup[] {
  return expectation.groups.filter(
    ({ sharing, regions }) => sharing === 'shared' && regions.includes(from) && regions.includes(to),
  );
}

/** For one region and group: key → every row in its FEED by sequence, to ask what had arrived by a sequence. */
class Arrivals {
  readonly #byKey = new Map<string, { sequence: number; best: NaiveRow }[]>();

  constructor(appends: readonly FeedAppend[]) {
    for (const { sequence, rows } of appends) {
      for (const { key, row } of rows) {
        const text = bytesText(key);
        const known = this.#byKey.get(text) ?? [];
        this.#byKey.set(text, known);
        const before = known.at(-1)?.best;
        const candidate = naiveRow(row);
        const best = before !== undefined && naiveOrder(before, candidate) > 0 ? before : candidate;
        known.push({ sequence, best });
      }
    }
  }

  /** Whether the row, or one that wins over it, is in the FEED at or before the sequence. */
  has(key: string, row: NaiveRow, throughSequence: number): boolean {
    const found = this.#byKey.get(key)?.findLast(({ sequence }) => sequence <= throughSequence);
    return found !== undefined && naiveOrder(found.best, row) >= 0;
  }
}

interface Claim {
  readonly region: string;
  readonly peer: string;
  readonly knownAsOfMs: number;
  readonly throughSequence: number;
  readonly source: string;
}

/**
 * S6: whenever a region says that it knows all of a peer up to a time of the peer's clock, every row that the peer had logged by then is
 * in the local FEED at or before the sequence named; and a lag of 0 is never said, since a moment later it might be false.
 */
export const checkProgress: Checker = (evidence, expectation) => {
  const claims: Claim[] = [
    ...evidence.progress.map(report => ({ ...report, source: 'the importer reported' })),
    ...evidence.lags.map(sample => ({
      ...sample,
      knownAsOfMs: sample.regionMs - sample.lagMs,
      throughSequence: sample.appliedThrough,
      source: `a lag of ${sample.lagMs} ms says`,
    })),
  ];
  const index = new Index(evidence);
  const zero = evidence.lags
    .filter(({ lagMs }) => lagMs <= 0)
    .map(({ region, peer, lagMs }) => ({
      invariant: 'S6',
      what: `${region} reports a lag of ${lagMs} ms behind ${peer}`,
    }));
  const broken = claims.flatMap(claim => {
    const missing = firstMissing(evidence, index, travelling(expectation, claim.peer, claim.region), claim);
    return missing === undefined ? [] : [missing];
  });
  return [...zero, ...broken];
};

class Index {
  readonly #own = new Map<string, FeedAppend[]>();
  readonly #all = new Map<string, FeedAppend[]>();
  readonly #arrivals = new Map<string, Arrivals>();

  constructor(evidence: Evidence) {
    for (const append of evidence.feeds) {
      const at = `${append.region} ${append.groupId}`;
      push(this.#all, at, append);
      if (append.imported === undefined) push(this.#own, at, append);
    }
  }

  own(region: string, groupId: string): readonly FeedAppend[] {
    return this.#own.get(`${region} ${groupId}`) ?? [];
  }

  arrivals(region: string, groupId: string): Arrivals {
    const at = `${region} ${groupId}`;
    const arrivals = this.#arrivals.get(at) ?? new Arrivals(this.#all.get(at) ?? []);
    this.#arrivals.set(at, arrivals);
    return arrivals;
  }
}

function push<T>(map: Map<string, T[]>, at: string, one: T): void {
  const list = map.get(at);
  if (list === undefined) map.set(at, [one]);
  else list.push(one);
}

function firstMissing(
  evidence: Evidence,
  index: Index,
  groups: readonly ExpectedGroup[],
  claim: Claim,
): Violation | undefined {
  for (const group of groups) {
    const { groupId, name } = group;
    const arrivals = index.arrivals(claim.region, groupId);
    for (const append of index.own(claim.peer, groupId)) {
      if (append.regionMs >= claim.knownAsOfMs) break;
      for (const { key, row } of append.rows) {
        if (arrivals.has(bytesText(key), naiveRow(row), claim.throughSequence)) continue;
        // A snapshot leaves out what has expired.
        if (!outlasts(naiveRow(row), group, evidence)) continue;
        return {
          invariant: 'S6',
          what:
            `${claim.source} in ${claim.region} that ${claim.peer} is known as of ${claim.knownAsOfMs} through ` +
            `${claim.throughSequence}; ${rowIdentity(row)} of ${name} (sequence ${append.sequence} there) is not in`,
        };
      }
    }
  }
  return undefined;
}

/** S6: a cursor never moves over a batch of rows that was neither taken nor set aside, unless a snapshot is being waited for. */
export const checkGaps: Checker = (evidence, expectation) => {
  const violations: Violation[] = [];
  const stands = new Map<string, { linkEpoch: string; linkSeq: number }>();
  const settled = new Set(
    evidence.feeds.flatMap(({ region, imported }) =>
      imported === undefined ? [] : [`${region} ${imported.peer} ${imported.linkEpoch} ${imported.linkSeq}`],
    ),
  );
  for (const { region, imported } of evidence.feeds) {
    if (imported === undefined) continue;
    const link = `${imported.peer} ${region}`;
    const before = stands.get(link);
    stands.set(link, imported);
    if (before?.linkEpoch !== imported.linkEpoch || imported.open.length > 0) continue;
    const groups = travelling(expectation, imported.peer, region);
    const passedOver = evidence.outs.find(
      ({ from, to, seq, envelope }) =>
        from === imported.peer &&
        to === region &&
        seq > before.linkSeq &&
        seq < imported.linkSeq &&
        groups.some(({ groupId }) => groupId === envelope.groupId) &&
        !settled.has(`${region} ${from} ${envelope.linkEpoch} ${seq}`),
    );
    if (passedOver !== undefined)
      violations.push({
        invariant: 'S6',
        what: `${region} passed over batch ${passedOver.seq} of ${imported.peer} without asking for a snapshot`,
      });
  }
  return violations;
};

/** S7: a stored watermark never goes back. */
export const checkWatermarks: Checker = evidence =>
  evidence.watermarks
    .filter(({ from, to }) => to < from)
    .map(({ region, name, from, to }) => ({
      invariant: 'S7',
      what: `watermark ${name} of ${region} went from ${from} back to ${to}`,
    }));
